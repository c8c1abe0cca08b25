"""The site: pages, login, orders, and resources that are slow or fail on request; two origins share one database."""
