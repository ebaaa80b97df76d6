"""Each check of an archive is needed: without it a test fails. A part of make prove."""

from tests.guards import Guards

WRONGLY = "test_damage.py::test_what_was_written_wrongly_is_found_though_it_is_authentic"
MANIFEST = "test_damage.py::test_a_manifest_that_was_written_wrongly_is_found"
RECORDED = "test_damage.py::test_a_manifest_is_the_one_that_the_backup_recorded"
HEAD = "test_damage.py::test_a_head_that_was_changed_is_refused"
BITS = "test_damage.py::test_a_bit_of_base64_that_means_nothing_is_refused_too"
VERSION = "test_damage.py::test_another_version_of_the_format_is_refused_by_name"
NO_DAMAGE = "test_damage.py::test_a_kms_key_that_may_not_be_used_is_no_damage"
OTHER_KEY = "test_damage.py::test_another_kms_key_opens_nothing"
DOWNGRADE = "test_damage.py::test_encryption_cannot_be_changed_afterwards"
WHOLE = "test_damage.py::test_an_archive_put_in_place_of_another_is_found"
MISSING = "test_damage.py::test_a_missing_object_is_found"
NAME = "test_sealing.py::test_an_object_opens_under_its_name_alone"
CHANGE = "test_sealing.py::test_every_change_is_found"
BOUND = "test_archive.py::test_nothing_decompresses_beyond_its_bound"
ONCE = "test_archive.py::test_an_object_is_put_once"
CONFLICT = "test_archive.py::test_a_put_that_meets_another_is_tried_again"
TURNS = "test_archive.py::test_another_turn_continues_with_the_key_of_the_first"
AT_ONCE = "test_archive.py::test_two_that_begin_at_once_have_one_key"
ORDER = "test_archive.py::test_a_manifest_without_a_chunk_is_not_written"
FULL = "test_archive.py::test_a_chunk_takes_records_until_it_is_full"
LINE = "test_archive.py::test_a_line_that_is_no_record_is_refused"
SIZE = "test_archive.py::test_text_takes_no_more_than_it_needs"

ARCHIVE = "backups.archive"
READER = f"{ARCHIVE}.reader"
SEALING = f"{ARCHIVE}.sealing"

# (where, old, new, the test that fails)
EDITS = [
    (f"{READER}:Archive._load_lines", "hexdigest() != chunk.sha256", "hexdigest() == ''", WRONGLY),
    (f"{READER}:Archive._load_lines", "len(plain) != chunk.plain_bytes", "False", WRONGLY),
    (f"{READER}:Archive._load_lines", 'plain.count(b"\\n") != chunk.records', "False", WRONGLY),
    (f"{READER}:Archive.read_chunk", "check_lines(chunk, plain)", "pass", WRONGLY),
    (f"{READER}:open_archive", "if digest and", "if False and", RECORDED),
    (f"{READER}:read_manifest", "!= (FORMAT, VERSION)", "is None", MANIFEST),
    (f"{READER}:read_manifest", "!= (*name, seal.encryption)", "is None", MANIFEST),
    (f"{ARCHIVE}.objects:load_object", "content is None", "False", MISSING),
    (f"{ARCHIVE}.manifest:check_order", "chunk.number != expected", "False", ORDER),
    (f"{ARCHIVE}.head:read_head", "(head.format, head.version) != (FORMAT, VERSION)", "0", VERSION),
    (f"{ARCHIVE}.head:read_head", "write_head(head) != content", "False", HEAD),
    (f"{ARCHIVE}.head:unwrap_text", "base64.b64encode(content).decode() != text", "False", BITS),
    (f"{ARCHIVE}.head:ArchiveKeys.open", 'answer["KeyId"] != head.kms_key', "False", HEAD),
    (f"{ARCHIVE}.head:ArchiveKeys.open", "code not in NOT_THIS_KEY", "False", NO_DAMAGE),
    (f"{ARCHIVE}.head:ArchiveKeys.open", "code not in NOT_THIS_KEY", "True", OTHER_KEY),
    (f"{ARCHIVE}.head:ArchiveKeys.open", "KeyId=self.key_id", "KeyId=head.kms_key", OTHER_KEY),
    (f"{ARCHIVE}.head:describe_archive", '"encryption": encryption,', "", DOWNGRADE),
    (f"{ARCHIVE}.head:describe_archive", '"backup": name.backup_id,', "", WHOLE),
    (f"{ARCHIVE}.head:describe_archive", '"system": name.system_id,', "", WHOLE),
    (f"{SEALING}:EncryptingSeal.open", "context != describe_object(self.archive, name)", "0", NAME),
    (f"{SEALING}:EncryptingSeal.open", "if source.read(1)", "if False", CHANGE),
    (f"{SEALING}:SigningSeal.open", "header != TAG_HEADER or ", "", CHANGE),
    (f"{SEALING}:SigningSeal._sign", 'place.encode() + b"\\n"', 'b""', NAME),
    (f"{SEALING}:describe_object", '"chunk": name', "", NAME),
    (f"{SEALING}:describe_object", '"system": archive.system_id, ', "", NAME),
    (f"{ARCHIVE}.compression:decompress", "len(plain) > limit", "False", BOUND),
    (f"{ARCHIVE}.compression:decompress", "not frame.eof", "False", BOUND),
    (f"{ARCHIVE}.compression:decompress", "frame.unused_data", "False", BOUND),
    (f"{ARCHIVE}.objects:ArchiveObjects._put", 'IfNoneMatch="*",', "", ONCE),
    (f"{ARCHIVE}.objects:ArchiveObjects.put_once", "!= content", "is None", ONCE),
    (f"{ARCHIVE}.objects:ArchiveObjects.put_once", "refusal != CONFLICT", "True", CONFLICT),
    (f"{ARCHIVE}.writer:put_head", "except ObjectExists", "except KeyError", AT_ONCE),
    (f"{ARCHIVE}.writer:pack_records", "plain_bytes >= CHUNK_BYTES", "False", FULL),
    (f"{ARCHIVE}.layout:name_chunk", "-{epoch}", "", TURNS),
    (f"{ARCHIVE}.records:decode_record", 'value["part"] != part', "False", LINE),
    (f"{ARCHIVE}.records:encode_record", "text = ENCODER.encode(fields)", "pass", SIZE),
]


class TestArchiveGuards(Guards):
    directory = "tests/unit/backups"
    edits = EDITS
