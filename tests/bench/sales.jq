# What sales-flatten does with rows by ASIN, in jq.  Names are looked up in a
# table, which is faster than making them.
def columns($fields): [$fields[] | ., . + "B2B"] | map({key: ., value: (gsub("B2B$"; "_b2b") |
  gsub("(?<c>[A-Z])"; "_" + (.c | ascii_downcase)) | if test("^ordered") then . + "_cents" else . end)}) | from_entries;

(columns(["unitsOrdered", "orderedProductSales", "totalOrderItems"])) as $sales |
(columns(["browserSessions", "mobileAppSessions", "sessions", "browserSessionPercentage",
  "mobileAppSessionPercentage", "sessionPercentage", "browserPageViews", "mobileAppPageViews",
  "pageViews", "browserPageViewsPercentage", "mobileAppPageViewsPercentage", "pageViewsPercentage",
  "buyBoxPercentage", "unitSessionPercentage"])) as $traffic |
def part($columns): with_entries({key: $columns[.key],
  value: (.value | if type == "object" then .amount * 100 | round else . end)});
inputs | if .type != "sp_sales_by_asin" then . else
  {type: "sales_daily", marketplace, date, asin: .data.childAsin, parent_asin: .data.parentAsin} +
  (.data.salesByAsin | part($sales)) + (.data.trafficByAsin | part($traffic)) +
  {currency: .data.salesByAsin.orderedProductSales.currencyCode, report_id, fetched_at}
end
