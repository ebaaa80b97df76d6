"""`make sbom`: what each layer is made of, as CycloneDX 1.5 in build/sbom/; from uv.lock alone."""

import json
import sys
from typing import Any

from packaging.markers import Marker

from layers.build import BUILD
from layers.layer import LAYERS
from layers.packages import export_group
from layers.programs import BuildError

SBOM = BUILD / "sbom"
FORM = ("--format", "cyclonedx1.5", "--preview-features", "sbom-export")
LAMBDA = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}
type Fields = dict[str, Any]


def make_bill(layer: str) -> Fields:
    """The layer's components and what each needs of the others; the same for the same uv.lock."""
    exported: Fields = json.loads(export_group(layer, LAYERS[layer], *FORM))
    components = [each for each in exported["components"] if is_shipped(each)]
    shipped = {each["bom-ref"] for each in components}
    return {
        **{name: exported[name] for name in ("bomFormat", "specVersion", "version")},
        "metadata": {"component": {"type": "library", "name": f"quarterdeck-layer-{layer}"}},
        "components": components,
        "dependencies": [
            {**each, "dependsOn": [ref for ref in each.get("dependsOn", ()) if ref in shipped]}
            for each in exported["dependencies"]
            if each["ref"] in shipped
        ],
    }


def is_shipped(component: Fields) -> bool:
    """Whether Lambda's platform is one that the lock has this package for."""
    return all(
        Marker(each["value"]).evaluate(LAMBDA)
        for each in component.get("properties", ())
        if each["name"] == "uv:package:marker"
    )


def main() -> int:
    SBOM.mkdir(parents=True, exist_ok=True)
    for layer in LAYERS:
        try:
            bill = make_bill(layer)
        except BuildError as error:
            print(f"layers: {error}", file=sys.stderr)
            return 1
        path = SBOM / f"{layer}.cdx.json"
        path.write_text(json.dumps(bill, indent=1), encoding="utf-8")
        print(f"{path}: {len(bill['components'])} packages")
    return 0


if __name__ == "__main__":
    sys.exit(main())
