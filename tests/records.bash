# shellcheck shell=bash
# records.bash - records for tests of what loads and what is read again

# some of everything: each record with a key of its own, or newer than the other
everything() {
	cat <<'!'
{"type":"tracked_asins","marketplace":"US","asin":"B00TEST001","priority":1,"added_at":"2026-11-01T00:00:00Z"}
{"type":"tracked_asins","marketplace":"CA","asin":"B00TEST001","is_active":false,"role":"competitor","label":"x","added_at":"2026-11-02T00:00:00Z"}
{"type":"asin_current_state","marketplace":"US","asin":"B00TEST001","product_title":"old","brand":"b","price_cents":1999,"currency":"USD","sales_ranks":{"11":{"rank":1,"since":"2026-11-19T00:00:00Z"}},"bestseller_badges":["11"],"status":"ok","last_updated":"2026-11-19T08:00:00Z"}
{"type":"asin_current_state","marketplace":"US","asin":"B00TEST001","product_title":"new","price_cents":null,"sales_ranks":{"11":{"rank":2,"since":"2026-11-20T00:00:00Z"}},"bestseller_badges":[],"status":"ok","last_updated":"2026-11-20T08:00:00Z","source_updated_at":"2026-11-20T07:00:00Z"}
{"type":"asin_current_state","marketplace":"US","asin":"B00TEST001","status":"unknown","last_updated":"2026-11-20T09:00:00Z"}
{"type":"asin_current_state","marketplace":"CA","asin":"B00TEST001","status":"missing","last_updated":"2026-11-20T09:00:00Z","rating":4.7}
{"type":"asin_history","marketplace":"US","asin":"B00TEST001","check_timestamp":"2026-11-19T08:00:00Z","status":"ok","raw_keepa_response":{"asin":"B00TEST001","n":[1.10,null]}}
{"type":"asin_history","marketplace":"US","asin":"B00TEST001","check_timestamp":"2026-11-20T08:00:00Z","status":"ok","sales_ranks":{}}
{"type":"rank_history","marketplace":"US","asin":"B00TEST001","category_id":"11","changed_at":"2026-11-19T00:00:00Z","rank":1}
{"type":"rank_history","marketplace":"US","asin":"B00TEST001","category_id":"11","changed_at":"2026-11-20T00:00:00Z","rank":2}
{"type":"rank_history","marketplace":"US","asin":"B00TEST001","category_id":"11","changed_at":"2026-11-21T00:00:00Z","rank":null}
{"type":"categories","marketplace":"US","category_id":"11","name":"Kettles","parent_id":null,"fetched_at":"2026-11-18T00:00:00Z"}
{"type":"categories","marketplace":"US","category_id":"11","product_count":7,"fetched_at":"2026-11-17T00:00:00Z"}
{"type":"categories","marketplace":"US","category_id":"12","fetched_at":"2026-11-18T00:00:00Z"}
{"type":"bestseller_changes","change_id":"US:B00TEST001:11:2026-11-20T00:00:00Z","marketplace":"US","asin":"B00TEST001","change_type":"lost","category_id":"11","previous_rank":1,"new_rank":2,"changed_at":"2026-11-20T00:00:00Z","detected_at":"2026-11-20T08:00:00Z"}
{"type":"bestseller_changes","change_id":"US:B00TEST001:11:2026-11-20T00:00:00Z","marketplace":"US","asin":"B00TEST001","change_type":"lost","category_id":"11","previous_rank":1,"new_rank":2,"changed_at":"2026-11-20T00:00:00Z","detected_at":"2026-11-21T00:00:00Z"}
{"type":"notifications","notification_id":"n1","sink":"slack","target":"C1","state":"failed","remote_id":null,"attempts":1,"error":"is_archived","sent_at":null}
{"type":"notifications","notification_id":"n2","sink":"slack","target":"C1","state":"sent","remote_id":"1.2","attempts":1,"error":null,"sent_at":"2026-11-20T08:00:01Z"}
{"type":"notifications","notification_id":"n2","sink":"slack","target":"C1","state":"failed","remote_id":null,"attempts":3,"error":"is_archived","sent_at":null}
{"type":"api_usage_log","usage_id":"u1","service":"keepa","requests":1,"tokens_consumed":100,"estimated_cost_cents":0.5488351254480287,"processing_completed_at":"2026-11-20T08:00:00Z"}
{"type":"runs","run_id":"r1","job":"badges","started_at":"2026-11-20T08:00:00Z"}
{"type":"runs","run_id":"r1","finished_at":"2026-11-20T08:00:09Z","status":0,"records":3}
{"type":"health_checks","service":"keepa","checked_at":"2026-11-20T08:00:00Z","ok":true,"latency_ms":12}
{"type":"health_checks","service":"keepa","checked_at":"2026-11-20T08:15:00Z","ok":false,"detail":"no answer"}
{"type":"marketplaces","marketplace":"XX","host":"www.example.com","keepa_domain":null}
!
}
