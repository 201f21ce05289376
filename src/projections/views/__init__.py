"""All views of the projected tables, in the order of `migrations/projections/views.sql`."""

from projections.view import View
from projections.views import ai, approvals, archive, evaluations, work

VIEWS: tuple[View, ...] = (*approvals.VIEWS, *ai.VIEWS, *work.VIEWS, *evaluations.VIEWS, *archive.VIEWS)
