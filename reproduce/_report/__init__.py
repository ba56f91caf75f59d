"""The parts of `reproduce.report`: reading runs, tables and charts of them, the page."""
