"""The report's page: a document of plain data in, one self-contained HTML file out."""
