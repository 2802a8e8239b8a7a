"""Many exports in one process. Usage: exports.py FOLDER_OF_EXPORT_PY REQUESTS, a JSON list of what export.py takes."""

import json
import pathlib
import sys

sys.path.insert(0, sys.argv[1])
from export import export

for request in json.loads(pathlib.Path(sys.argv[2]).read_text()):
    pathlib.Path(request["out"]).mkdir()
    export(request)
