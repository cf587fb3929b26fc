# SPDX-License-Identifier: GPL-2.0-only
"""What tools/run and tools/iso share: guests, emulated machines, boot images, the serial stream."""
