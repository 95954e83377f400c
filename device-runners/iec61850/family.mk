FAMILY_PROTOCOLS := iec61850 mms iso ber
