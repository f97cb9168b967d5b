"""What sp-split does with a document, with Python's json: the whole of it at once."""

import json
import sys

document = json.load(open(sys.argv[1], encoding="utf-8"))
start = {"marketplace": "US", "date": document["reportSpecification"]["dataStartTime"],
         "report_id": sys.argv[1].rpartition("/")[2], "fetched_at": sys.argv[2]}
for name in "date", "asin":
    for row in document["salesAndTrafficBy" + name.capitalize()]:
        record = dict({"type": "sp_sales_by_" + name}, **start, data=row)
        print(json.dumps(record, ensure_ascii=False, separators=(",", ":")))
