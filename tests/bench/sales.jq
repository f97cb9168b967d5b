# What sales-flatten does with rows by ASIN, in jq.
if .type != "sp_sales_by_asin" then . else
  .data.salesByAsin as $s | .data.trafficByAsin as $t |
  {type: "sales_daily", marketplace, date, asin: .data.childAsin, parent_asin: .data.parentAsin,
   units_ordered: $s.unitsOrdered,
   ordered_product_sales_cents: ($s.orderedProductSales.amount * 100 | round),
   total_order_items: $s.totalOrderItems,
   browser_sessions: $t.browserSessions, mobile_app_sessions: $t.mobileAppSessions,
   sessions: $t.sessions, browser_session_percentage: $t.browserSessionPercentage,
   mobile_app_session_percentage: $t.mobileAppSessionPercentage,
   session_percentage: $t.sessionPercentage, browser_page_views: $t.browserPageViews,
   mobile_app_page_views: $t.mobileAppPageViews, page_views: $t.pageViews,
   browser_page_views_percentage: $t.browserPageViewsPercentage,
   mobile_app_page_views_percentage: $t.mobileAppPageViewsPercentage,
   page_views_percentage: $t.pageViewsPercentage, buy_box_percentage: $t.buyBoxPercentage,
   unit_session_percentage: $t.unitSessionPercentage,
   currency: $s.orderedProductSales.currencyCode, report_id, fetched_at} +
  if $s.unitsOrderedB2B == null then {} else {
   units_ordered_b2b: $s.unitsOrderedB2B,
   ordered_product_sales_b2b_cents: ($s.orderedProductSalesB2B.amount * 100 | round),
   total_order_items_b2b: $s.totalOrderItemsB2B,
   browser_sessions_b2b: $t.browserSessionsB2B, mobile_app_sessions_b2b: $t.mobileAppSessionsB2B,
   sessions_b2b: $t.sessionsB2B, browser_session_percentage_b2b: $t.browserSessionPercentageB2B,
   mobile_app_session_percentage_b2b: $t.mobileAppSessionPercentageB2B,
   session_percentage_b2b: $t.sessionPercentageB2B, browser_page_views_b2b: $t.browserPageViewsB2B,
   mobile_app_page_views_b2b: $t.mobileAppPageViewsB2B, page_views_b2b: $t.pageViewsB2B,
   browser_page_views_percentage_b2b: $t.browserPageViewsPercentageB2B,
   mobile_app_page_views_percentage_b2b: $t.mobileAppPageViewsPercentageB2B,
   page_views_percentage_b2b: $t.pageViewsPercentageB2B,
   buy_box_percentage_b2b: $t.buyBoxPercentageB2B,
   unit_session_percentage_b2b: $t.unitSessionPercentageB2B} end
end
