"""How fast Gesta is, each figure beside a peer or a limit measured in the same run: `python -m bench`.

A bench is one module with a `bench(stage, sizes) -> Result`, and one line in `bench.__main__.BENCHES`.
"""
