#!/bin/bash
set -euo pipefail
/databricks/python/bin/pip install --quiet great-expectations==0.18.22
