"""What `db-load -d sqlite:FILE` does, with Python's json and sqlite3.

    load.py FILE [plain]       plain: upsert without asking whether anything changed
"""

import json
import sqlite3
import sys

encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
BATCH = 10000
VERSIONS = {"asin_current_state": "last_updated", "sales_daily": "fetched_at"}


def upsert(db, table, columns):
    keys = [row[1] for row in db.execute(f"PRAGMA table_info({table})") if row[5]]
    others = [c for c in columns if c not in keys]
    sql = (f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))}) "
           f"ON CONFLICT ({', '.join(keys)}) DO UPDATE SET "
           + ", ".join(f"{c} = excluded.{c}" for c in others)
           + " WHERE " + " OR ".join(f"{table}.{c} IS NOT excluded.{c}" for c in others))
    if sys.argv[2:] == ["plain"]:
        sql = sql.partition(" WHERE ")[0] + " WHERE true"
    if table in VERSIONS:
        newer = f"excluded.{VERSIONS[table]} >= {table}.{VERSIONS[table]}"
        sql = sql.replace(" WHERE ", f" WHERE {newer} AND (") + ")"
    return sql


def value(v):
    return encode(v) if isinstance(v, (dict, list)) else v


db = sqlite3.connect(sys.argv[1])
statements, rows = {}, {}
for line in sys.stdin:
    record = json.loads(line)
    shape = tuple(record)
    table = record.pop("type")
    if shape not in statements:
        statements[shape] = upsert(db, table, list(record))
    held = rows.setdefault((table, shape), [])
    held.append([value(v) for v in record.values()])
    if len(held) == BATCH:
        db.executemany(statements[shape], held)
        held.clear()
for (_, shape), held in rows.items():
    db.executemany(statements[shape], held)
db.commit()
db.close()
