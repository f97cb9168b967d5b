# What sp-split does with a document, in jq: the whole of it at once.
{marketplace: "US", date: .reportSpecification.dataStartTime, report_id: $name, fetched_at: $at} as $start
| ({type: "sp_sales_by_date"} + $start + {data: .salesAndTrafficByDate[]}),
  ({type: "sp_sales_by_asin"} + $start + {data: .salesAndTrafficByAsin[]})
