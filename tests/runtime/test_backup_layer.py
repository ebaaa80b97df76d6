"""An archive is written and read with what the layers `base` and `backup` have."""

import json
import subprocess

from layers.build import build_all
from tests.runtime.sandbox import ENVIRONMENT, Sandbox, unpack_zips

CODE = """
import json, sys
import backports.zstd, cryptography, aws_encryption_sdk
from quarterdeck.backups.archive.head import ArchiveKeys
from quarterdeck.backups.archive.layout import ArchiveName
from quarterdeck.backups.archive.manifest import Source
from quarterdeck.backups.archive.objects import ArchiveObjects
from quarterdeck.backups.archive.reader import open_archive
from quarterdeck.backups.archive.records import Record
from quarterdeck.backups.archive.writer import begin_archive

class Objects(ArchiveObjects):
    def __init__(self):
        self.contents = {}
    def put_once(self, key, content):
        self.contents[key] = content
    def get(self, key, limit):
        return self.contents.get(key)

class Kms:
    def generate_data_key(self, **request):
        return {"KeyId": "arn", "CiphertextBlob": b"wrapped"}
    def decrypt(self, **request):
        return {"KeyId": "arn", "Plaintext": bytes(32)}

objects, keys, name = Objects(), ArchiveKeys(Kms(), "arn"), ArchiveName("desk", "b1")
writer = begin_archive(objects, keys, name, epoch=1)
record = Record("task_histories", "#TASK#1", "END", {"text": {"S": "found"}})
chunk = writer.write_chunk("task_histories", 1, iter([record]))
writer.write_manifest([chunk], Source(system_name="x", system_version=1, generation=1), "")
found = list(open_archive(objects, keys, name).read_part("task_histories"))
libraries = (backports.zstd, cryptography, aws_encryption_sdk)
print(json.dumps([found == [record], [module.__file__ for module in libraries]]))
"""


def test_an_archive_is_written_and_read_on_the_layers() -> None:
    zips = build_all(names=["functions", "base", "backup"])
    functions = zips.pop("functions")
    sandbox = Sandbox(task=unpack_zips([functions]), opt=unpack_zips(zips.values()))
    run = subprocess.run(
        sandbox.run_code(CODE), env=ENVIRONMENT, capture_output=True, text=True, check=False
    )

    assert run.returncode == 0, run.stderr
    same, files = json.loads(run.stdout)
    assert same
    assert all(file.startswith(str(sandbox.opt)) for file in files)
