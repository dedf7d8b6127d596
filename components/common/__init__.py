"""The only code that steps share: tables, sources, tracking, reports and the types of config sections."""
