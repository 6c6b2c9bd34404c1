"""The one room that touches AWS: sessions, regions, errors, launch configurations, DRS.

In: accounts and regions. Out: frozen values, or an `AwsError` that says where and what to do. It never imports Prefect.
"""
