"""Whether this is `make prove`, and the mark of what is run by it alone."""

import os

import pytest

VARIABLE = "QUARTERDECK_PROVE"
PROVE = bool(os.environ.get(VARIABLE))

prove = pytest.mark.skipif(not PROVE, reason="a part of make prove")
