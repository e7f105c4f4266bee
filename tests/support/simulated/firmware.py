"""What the firmware of a Pi 5 tells: a ``vcgencmd`` that reads its answers from files."""

from __future__ import annotations

from collections.abc import Mapping

TOLD = "firmware/simulated"
"""In /sys: what the stand-ins of programs read."""
SINCE = "began"
"""There while a run samples."""

VOLTS = {
    "3V7_WL_SW": 3.7,
    "3V3_SYS": 3.3,
    "1V8_SYS": 1.8,
    "DDR_VDD2": 1.1,
    "DDR_VDDQ": 0.6,
    "1V1_SYS": 1.1,
    "0V8_SW": 0.8,
    "VDD_CORE": 0.9,
    "3V3_DAC": 3.3,
    "3V3_ADC": 3.3,
    "0V8_AON": 0.8,
    "HDMI": 5.0,
}
"""The rails whose currents a Pi 5 tells too, in the order of ``vcgencmd pmic_read_adc``."""

VCGENCMD = f"""#!/bin/sh
here=/sys/{TOLD}
[ ! -e $here/dumb ] || {{ echo "Can't open device file: /dev/vcio" >&2; exit 1; }}
tell() {{ while IFS= read -r line; do printf '%s\\n' "$line"; done < "$1"; }}
now=idle
[ ! -e $here/{SINCE} ] || now=busy
case "$1 $2" in
"get_throttled ") printf 'throttled=' && tell $here/throttled ;;
"measure_clock arm") printf 'frequency(0)=' && tell $here/$now.hz ;;
"measure_temp ") printf "temp=45.0'C\\n" ;;
"bootloader_version ") printf '2025/05/08 14:13:17\\nversion 69471177 (release)\\n' ;;
"version ") printf '2025/04/30 10:00:00\\nCopyright (c) 2012 Broadcom\\nversion 1 (release)\\n' ;;
"pmic_read_adc ") tell $here/$now.pmic ;;
*) echo 'error=1 error_msg="Command not registered"' ;;
esac
"""
SUDO = f"""#!/bin/sh
[ -e /sys/{TOLD}/sudo ] && [ "$1" = -n ] || {{ echo "sudo: a password is required" >&2; exit 1; }}
shift
exec "$@"
"""
UNKNOWN = 'error=1 error_msg="Command not registered"\n'
"""What a Pi 4 answers when asked for its rails."""


def pmic(amperes: Mapping[str, float]) -> str:
    """The lines of ``vcgencmd pmic_read_adc``; a rail that is not named has no current."""
    currents = [(f"{rail}_A", f"current({n})={amperes.get(rail, 0):.8f}A") for n, rail in _rails()]
    volts = [(f"{rail}_V", f"volt({n + 12})={VOLTS[rail]:.8f}V") for n, rail in _rails()]
    # Neither of them has a current, so neither is a rail.
    more = [("EXT5V_V", "volt(24)=5.10000000V"), ("BATT_V", "volt(25)=0.00000000V")]
    return "".join(f"{name:>12} {value}\n" for name, value in [*currents, *volts, *more])


def _rails() -> enumerate[str]:
    return enumerate(VOLTS)
