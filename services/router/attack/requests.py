"""The agent's part: POST, GET and DELETE /attacks."""

from __future__ import annotations

from collections.abc import Mapping

from attack.boundary import place
from attack.campaign import Campaign
from attack.orders import read_orders
from hostkit.agent import Handler, JsonObject


def handlers(campaign: Campaign, environment: Mapping[str, str]) -> dict[str, Handler]:
    """Requests that change or show `campaign`; where it may take place follows from `environment`."""

    def post(request: JsonObject) -> JsonObject:
        here = place(environment)
        campaign.begin(read_orders(request, here.lab), here)
        return campaign.report()

    def get(_: JsonObject) -> JsonObject:
        return campaign.report()

    def delete(_: JsonObject) -> JsonObject:
        return campaign.end()

    return {"POST /attacks": post, "GET /attacks": get, "DELETE /attacks": delete}
