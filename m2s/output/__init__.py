"""Plans, outcomes and status as tables, Markdown, JSON and saved plans."""
