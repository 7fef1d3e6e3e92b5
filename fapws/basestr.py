"""``fapws.base`` under the name that it had for programs whose environ is text.

fapws3's last state had two modules: ``base`` with bytes in environ on Python 3, and ``basestr`` with str.
Here environ has str in both cases (PEP 3333, "A Note On String Types").
"""

from __future__ import annotations

from fapws.base import *  # noqa: F403
from fapws.base import config as config
