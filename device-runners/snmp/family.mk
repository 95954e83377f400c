FAMILY_PROTOCOLS := snmp ber
FAMILY_LIBS := -lnettle
FAMILY_DEPENDS := nettle-dev
