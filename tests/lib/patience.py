"""How long tests wait for what must come: as long as a machine that does much else may take."""

import os

WAIT_S = 30.0 * (3 if 'san' in os.environ.get('BUILD', '') else 1)
