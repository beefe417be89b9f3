"""How measurements of `bench` are shown: as a document, as text, and as a page with plots."""
