"""From a plan file to a manifest: text, documents with positions, shapes, names, bindings."""
