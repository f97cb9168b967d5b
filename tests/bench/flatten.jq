# What `keepa-flatten --no-raw` does, in jq.
def iso: (. + 21564000) * 60 | todate;
def rank: if . == -1 then null else . end;
def latest: if . then .[-1] else null end;

def price:
  (.[18] | if . and .[-2] > 0 then .[-2] + ([.[-1], 0] | max) else null end)
  // ([.[0], .[1]] | map(latest | select(. and . > 0)) | first)
  // null;

if .type != "keepa_product" then . else
  . as $r | .product as $p | $p.csv as $csv |
  ($p.salesRanks | to_entries[] | .value as $v |
    {type: "rank_history", marketplace: $r.marketplace, asin: $r.asin,
     category_id: .key} +
    (range(0; $v | length; 2) | {changed_at: $v[.] | iso, rank: $v[. + 1] | rank})),
  (range($p.categoryTree | length) | $p.categoryTree[.] as $c |
    {type: "categories", marketplace: $r.marketplace,
     category_id: $c.catId | tostring, name: $c.name,
     parent_id: (if . > 0 then $p.categoryTree[. - 1].catId | tostring else null end)}),
  {type: "asin_history", marketplace: $r.marketplace, asin: $r.asin,
   check_timestamp: $r.fetched_at, status: "ok",
   product_title: $p.title, brand: $p.brand, parent_asin: $p.parentAsin,
   image_url: (($p.images[0]? | .l // .m) // ($p.imagesCSV // "" | split(",")[0])
     | if . then "https://m.media-amazon.com/images/I/" + . else null end),
   sales_ranks: $p.salesRanks | map_values({rank: .[-1] | rank, since: .[-2] | iso}),
   bestseller_badges: [$p.salesRanks | to_entries[] | select(.value[-1] == 1) | .key],
   source_updated_at: $p.lastUpdate | iso,
   price_cents: $csv | price, currency: "USD", monthly_sold: $p.monthlySold,
   rating: ($csv[16] | latest | if . and . >= 0 then . / 10 else null end),
   review_count: ($csv[17] | latest | if . and . >= 0 then . else null end)}
end
