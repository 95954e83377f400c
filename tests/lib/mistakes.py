"""Typical mistakes in a configuration. Each row is an edit of a base configuration (a pattern of one place and
what stands there instead), and what gatewayd --check says of it: line, column, key, message; whether it is a
warning, and whether the JSON Schema finds it too."""

import collections
import re

BASE = """\
name: site1
event_server:
  built_in: {timeseries: 1000}
limits: {memory: 67108864}
sandbox: strict
on_error: device
devices:
  - module: hat.gateway.devices.modbus.master
    name: plc1
    enabled: true
    connection:
      modbus_type: TCP
      transport: {type: TCP, host: 127.0.0.1, port: 502}
      connect_timeout: 3
      connect_delay: 5
      request_timeout: 2
      request_delay: 0
      request_retry_immediate_count: 1
      request_retry_delayed_count: 1
      request_retry_delay: 1
    remote_devices:
      - device_id: 1
        timeout_poll_delay: 10
        data:
          - {name: voltage, interval: 1, data_type: HOLDING_REGISTER, start_address: 10, bit_offset: 0, bit_count: 16}
          - {name: current, interval: 1, data_type: HOLDING_REGISTER, start_address: 11, bit_offset: 0, bit_count: 16}
  - module: iec104_master
    name: sub7
    remote_addresses:
      - {host: 127.0.0.1, port: 2404}
    response_timeout: 15
    supervisory_timeout: 10
    test_timeout: 20
    send_window_size: 12
    receive_window_size: 8
    reconnect_delay: 5
    time_sync_delay: null
    security: null
  - module: hat.gateway.devices.snmp.manager
    name: ups
    version: V2C
    community: public
    remote_host: 127.0.0.1
    remote_port: 161
    connect_delay: 1
    request_timeout: 1
    request_retry_count: 1
    request_retry_delay: 1
    polling_delay: 1
    polling_oids: ["1.3.6.1.2.1.1.3.0"]
    string_hex_oids: []
  - module: iec104_slave
    name: scada
    local_host: 127.0.0.1
    local_port: 2404
    remote_hosts: null
    max_connections: null
    response_timeout: 15
    supervisory_timeout: 10
    test_timeout: 20
    send_window_size: 12
    receive_window_size: 8
    security: null
    buffers: []
    data: []
"""

Mistake = collections.namedtuple("Mistake", "pattern text where key message warning schema", defaults=(False, True))

MISTAKES = [
    # Misspelt keys and words.
    Mistake("^sandbox", "sandbx", "5:1",
            "sandbx",
            "unknown key, ignored; did you mean 'sandbox'?", True),
    # A key of the supervisor's own, among those of the device type.
    Mistake("enabled: true", "enabeld: true", "10:5",
            "devices[0].enabeld",
            "unknown key, ignored; did you mean 'enabled'?", True),
    Mistake("connect_delay: 5", "conect_delay: 5", "15:7",
            "devices[0].connection.conect_delay",
            "unknown key, ignored; did you mean 'connect_delay'?", True),
    Mistake("sandbox: strict", "sandbox: strikt", "5:10",
            "sandbox",
            "expected one of strict, best-effort, off, namespaces, found strikt; did you mean 'strict'?"),
    Mistake("modbus.master", "modbus.mastr", "8:13",
            "devices[0].module",
            "found 'hat.gateway.devices.modbus.mastr'; did you mean 'hat.gateway.devices.modbus.master'?"),
    Mistake("iec104_master", "iec104_mastr", "27:13",
            "devices[1].module",
            "found 'iec104_mastr'; did you mean 'iec104_master'?"),
    Mistake("HOLDING_REGISTER(?=.*11)", "HOLDING_REGISTERS", "26:53",
            "devices[0].remote_devices[0].data[1].data_type",
            "expected one of COIL, DISCRETE_INPUT, HOLDING_REGISTER, INPUT_REGISTER, QUEUE, found HOLDING_REGISTERS; did you mean 'HOLDING_REGISTER'?"),
    Mistake("community", "comunity", "42:5",
            "devices[2].comunity",
            "unknown key, ignored; did you mean 'community'?", True),
    # Values of another type, or out of their range.
    Mistake("port: 502", "port: 70000", "13:53",
            "devices[0].connection.transport.port",
            "expected an integer from 1 to 65535, found 70000"),
    Mistake("port: 502", "port: \"502\"", "13:53",
            "devices[0].connection.transport.port",
            "expected an integer from 1 to 65535, found a string"),
    Mistake("connect_timeout: 3", "connect_timeout: 3 s", "14:24",
            "devices[0].connection.connect_timeout",
            "expected a number from 0 to 100000000, found a string"),
    Mistake("device_id: 1", "device_id: 256", "22:20",
            "devices[0].remote_devices[0].device_id",
            "expected an integer from 0 to 255, found 256"),
    Mistake("send_window_size: 12\n.*\n    reconnect", "send_window_size: 0\n    receive_window_size: 8\n    reconnect", "34:23",
            "devices[1].send_window_size",
            "expected an integer from 1 to 32767, found 0"),
    Mistake("enabled: true", "enabled: 'yes'", "10:14",
            "devices[0].enabled",
            "expected a boolean, found a string"),
    Mistake("memory: 67108864", "memory: 64", "4:18",
            "limits.memory",
            "expected an integer from 33554432 to 1099511627776, found 64"),
    Mistake("name: sub7", "name: sub/7", "28:11",
            "devices[1].name",
            "expected a name without '/', '?', '*' and control characters, as it is a segment of event types"),
    Mistake("start_address: 10", "start_address: 65536", "25:86",
            "devices[0].remote_devices[0].data[0].start_address",
            "expected an integer from 0 to 65535, found 65536"),
    Mistake("security: null\n  - module: hat", "security: none\n  - module: hat", "38:15",
            "devices[1].security",
            "expected an object or null, found a string"),
    # What is missing, or stands where something else is expected.
    Mistake(", bit_count: 16(?=}\n  -)", "", "26:13",
            "devices[0].remote_devices[0].data[1].bit_count",
            "is missing"),
    Mistake("name: plc1", "nam: plc1", "8:5",
            "devices[0].name",
            "is missing; is 'nam' meant?"),
    Mistake("^name: site1", "description: site1", "1:1",
            "name",
            "is missing (or gateway_name, where event types begin with it)"),
    Mistake("version: V2C", "version: V3", "39:5",
            "devices[2].user",
            "is missing"),
    Mistake("remote_addresses:\n      - (.*)", "remote_addresses: \\1", "29:23",
            "devices[1].remote_addresses",
            "expected an array, found an object"),
    Mistake("remote_addresses:\n      - .*", "remote_addresses: []", "29:23",
            "devices[1].remote_addresses",
            "expected at least 1 elements, found 0"),
    Mistake("built_in: .*", "built_in: {}\n  eventer_server: {host: h, port: 1}", "2:1",
            "event_server",
            "expected exactly one of eventer_server, monitor_component and built_in, found 2"),
    # What only a device's own code can judge, or the reader of YAML.
    Mistake("host: 127.0.0.1, port: 502", "host: 10.0.0.256, port: 502", "13:36",
            "devices[0].connection.transport.host",
            "expected an address or the name of a host, found '10.0.0.256'", False, False),
    Mistake("bit_offset: 0, bit_count: 16(?=}\n  -)", "bit_offset: 17, bit_count: 16", "26:13",
            "devices[0].remote_devices[0].data[1]",
            "bit_offset 17 is not in the first register, which has 16 bits: start_address 11 is not read", True, False),
    Mistake("name: current", "name: voltage", "26:20",
            "devices[0].remote_devices[0].data[1].name",
            "voltage again: this one counts, not that in [0]", True, False),
    Mistake("1.3.6.1.2.1.1.3.0", "sysUpTime.0", "50:20",
            "devices[2].polling_oids[0]",
            "expected an object identifier, as 1.3.6.1.2.1.1.3.0, found sysUpTime.0", False, False),
    Mistake("^sandbox: strict", "\tsandbox: strict", "5:1",
            "not YAML",
            "while scanning for the next token, found character that cannot start any token", False, False),
]


def edited(m):
    text, count = re.subn(m.pattern, m.text, BASE, count=1, flags=re.M)
    assert count == 1, m
    return text
