"""Evidence of an execution: anchors of its journal, bundles, and their verification. Knows neither Prefect nor AWS."""
