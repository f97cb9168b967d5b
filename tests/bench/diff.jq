# What `badge-diff -p FILE` does, in jq: jq -cn --slurpfile state FILE -f diff.jq

# Follow a category's rank through the points: each time it becomes or stops being 1.
def changes($old; $new; $points; $names):
  [ $new.sales_ranks | keys_unsorted[] as $category
    | $old.sales_ranks[$category] as $before
    | (if $before then "" else $old.source_updated_at // $old.last_updated end) as $after
    | foreach ($points[]? | select(.category_id == $category)) as $p
        ($before // {rank: null, since: ""};
         if $p.changed_at > .since
         then {rank: $p.rank, since: $p.changed_at, previous: .rank, new: true}
         else .new = false end;
         select(.new and (.previous == 1) != (.rank == 1) and .since > $after))
    | {type: "bestseller_changes",
       change_id: "\($new.marketplace):\($new.asin):\($category):\(.since)",
       marketplace: $new.marketplace, asin: $new.asin,
       change_type: (if .rank == 1 then "gained" else "lost" end), category_id: $category}
      + ($names[$category] | if . then {category: .} else {} end)
      + {previous_rank: .previous, new_rank: .rank, changed_at: .since,
         detected_at: $new.check_timestamp} ]
  | sort_by(.changed_at, (.category_id | tonumber))[];

def current($old; $new):
  ($old.sales_ranks + $new.sales_ranks
    | to_entries | sort_by(.key | tonumber) | from_entries) as $ranks
  | {type: "asin_current_state", marketplace: $new.marketplace, asin: $new.asin,
     status: $new.status, last_updated: $new.check_timestamp}
    + ($new | {product_title, brand, parent_asin, image_url, price_cents, currency,
               monthly_sold, rating, review_count, source_updated_at})
    + {sales_ranks: $ranks,
       bestseller_badges: [$ranks | to_entries[] | select(.value.rank == 1) | .key]};

# What is held is one flat object, and grows by +, which jq does in place.
foreach inputs as $r
  (reduce $state[] as $s ({}; . + {"\($s.marketplace):\($s.asin)": $s});
   if $r.type == "rank_history" then . + {out: [], points: (.points + [$r])}
   elif $r.type == "categories" then . + {out: [], names: (.names + {($r.category_id): $r.name})}
   elif $r.type == "asin_history" and $r.status == "ok" then
     "\($r.marketplace):\($r.asin)" as $key | .[$key] as $old
     | [if $old == null then current(null; $r)
        elif $r.check_timestamp > $old.last_updated then
          changes($old; $r; .points; .names), current($old; $r)
        else empty end] as $out
     | . + {out: $out, points: [], names: {}, ($key): ([$old] + $out | .[-1])}
   else . + {out: []} end;
   $r, .out[])
