"""Calls to AI models: one interface, an offline model, and real ones by the extra `ai`, imported when first called."""
