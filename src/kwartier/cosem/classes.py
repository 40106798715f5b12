"""Interface classes as a table: what the attributes and methods of an object are called (Blue Book, part 2).

Adding a class is adding a row. A class that is not in the table is still readable: its attributes print by number. Three
rows exist only to be refused: the classes that can interrupt a supply are known by name so that an inventory can say that
none is there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

LOGICAL_NAME = 1
"""Attribute 1 of every object is its OBIS code."""
SUPPLY_AFFECTING = frozenset({68, 70, 71})
"""Arbitrator, disconnect control and limiter: nothing here ever writes to them or invokes their methods."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InterfaceClass:
    """A class: ``attributes`` begin with attribute 1, ``methods`` with method 1."""

    class_id: int
    name: str
    attributes: tuple[str, ...]
    methods: tuple[str, ...] = ()


def _row(class_id: int, name: str, attributes: str, methods: str = "") -> InterfaceClass:
    return InterfaceClass(
        class_id=class_id,
        name=name,
        attributes=("logical_name", *attributes.split()),
        methods=tuple(methods.split()),
    )


_ROWS = (
    _row(1, "Data", "value"),
    _row(3, "Register", "value scaler_unit", "reset"),
    _row(4, "Extended register", "value scaler_unit status capture_time", "reset"),
    _row(
        5,
        "Demand register",
        "current_average_value last_average_value scaler_unit status capture_time start_time_current period"
        " number_of_periods",
        "reset next_period",
    ),
    _row(
        7,
        "Profile generic",
        "buffer capture_objects capture_period sort_method sort_object entries_in_use profile_entries",
        "reset capture get_buffer_by_range get_buffer_by_index",
    ),
    _row(
        8,
        "Clock",
        "time time_zone status daylight_savings_begin daylight_savings_end daylight_savings_deviation"
        " daylight_savings_enabled clock_base",
        "adjust_to_quarter adjust_to_measuring_period adjust_to_minute adjust_to_preset_time preset_adjusting_time"
        " shift_time",
    ),
    _row(9, "Script table", "scripts", "execute"),
    _row(11, "Special days table", "entries", "insert delete"),
    _row(
        15,
        "Association LN",
        "object_list associated_partners_id application_context_name xDLMS_context_info"
        " authentication_mechanism_name secret association_status security_setup_reference user_list current_user",
        "reply_to_HLS_authentication change_HLS_secret add_object remove_object add_user remove_user",
    ),
    _row(17, "SAP assignment", "SAP_assignment_list", "connect_logical_device"),
    _row(
        18,
        "Image transfer",
        "image_block_size image_transferred_blocks_status image_first_not_transferred_block_number"
        " image_transfer_enabled image_transfer_status image_to_activate_info",
        "image_transfer_initiate image_block_transfer image_verify image_activate",
    ),
    _row(
        20,
        "Activity calendar",
        "calendar_name_active season_profile_active week_profile_table_active day_profile_table_active"
        " calendar_name_passive season_profile_passive week_profile_table_passive day_profile_table_passive"
        " activate_passive_calendar_time",
        "activate_passive_calendar",
    ),
    _row(21, "Register monitor", "thresholds monitored_value actions"),
    _row(22, "Single action schedule", "executed_script type execution_time"),
    _row(
        23,
        "IEC HDLC setup",
        "comm_speed window_size_transmit window_size_receive max_info_field_length_transmit"
        " max_info_field_length_receive inter_octet_time_out inactivity_time_out device_address",
    ),
    _row(27, "Modem configuration", "comm_speed initialization_string modem_profile"),
    _row(
        40,
        "Push setup",
        "push_object_list send_destination_and_method communication_window randomisation_start_interval"
        " number_of_retries repetition_delay port_reference push_client_SAP push_protection_parameters"
        " push_operation_method confirmation_parameters last_confirmation_date_time",
        "push reset",
    ),
    _row(41, "TCP-UDP setup", "TCP-UDP_port IP_reference MSS nb_of_sim_conn inactivity_time_out"),
    _row(
        43,
        "MAC address setup",
        "MAC_address",
    ),
    _row(
        44,
        "PPP setup",
        "PHY_reference LCP_options IPCP_options PPP_authentication",
    ),
    _row(45, "GPRS modem setup", "APN PIN_code quality_of_service"),
    _row(
        47,
        "GSM diagnostic",
        "operator status circuit_switch_status packet_switch_status cell_info adjacent_cells capture_time",
    ),
    _row(
        64,
        "Security setup",
        "security_policy security_suite client_system_title server_system_title certificates",
        "security_activate key_transfer key_agreement generate_key_pair generate_certificate_request"
        " import_certificate export_certificate remove_certificate",
    ),
    _row(
        68,
        "Arbitrator",
        "actions permissions_table weightings_table most_recent_requests_table last_outcome",
        "request_action reset",
    ),
    _row(
        70,
        "Disconnect control",
        "output_state control_state control_mode",
        "remote_disconnect remote_reconnect",
    ),
    _row(
        71,
        "Limiter",
        "monitored_value threshold_active threshold_normal threshold_emergency min_over_threshold_duration"
        " min_under_threshold_duration emergency_profile emergency_profile_group_id_list emergency_profile_active"
        " actions",
    ),
    _row(
        72,
        "M-Bus client",
        "mbus_port_reference capture_definition capture_period primary_address identification_number manufacturer_id"
        " version device_type access_number status alarm configuration encryption_key_status",
        "slave_install slave_deinstall capture reset_alarm synchronize_clock data_send set_encryption_key transfer_key",
    ),
    _row(
        74,
        "M-Bus master port setup",
        "comm_speed",
    ),
)

CLASSES: Mapping[int, InterfaceClass] = MappingProxyType({row.class_id: row for row in _ROWS})
"""Class id -> what it is."""


def class_name(class_id: int) -> str:
    """``Profile generic``, or ``class 999`` where the table does not have it."""
    row = CLASSES.get(class_id)
    return f"class {class_id}" if row is None else row.name


def attribute_name(class_id: int, attribute: int) -> str:
    """``capture_objects``, or ``attribute 99`` where the table does not have it."""
    row = CLASSES.get(class_id)
    if row is None or not 1 <= attribute <= len(row.attributes):
        return "logical_name" if attribute == LOGICAL_NAME else f"attribute {attribute}"
    return row.attributes[attribute - 1]


def method_name(class_id: int, method: int) -> str:
    """``capture``, or ``method 99`` where the table does not have it."""
    row = CLASSES.get(class_id)
    if row is None or not 1 <= method <= len(row.methods):
        return f"method {method}"
    return row.methods[method - 1]
