"""Parts of `reproduce.report`: reading runs, tables, charts and the HTML page."""
