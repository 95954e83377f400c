#include "protocols/iec60870/object.h"

#include <math.h>
#include <string.h>

/* Values of one octet group; each pair reads and writes the bytes of the clause of part 101 that
 * the comment names. Quality bits that share the octet are masked by the row's enum iec_quality. */

static int32_t
read_i16(struct cursor *c)
{
	return (int16_t)cursor_u16le(c);
}

static float
read_r32(struct cursor *c)
{
	uint32_t bits = cursor_u32le(c);
	float f;

	memcpy(&f, &bits, sizeof(f));
	return f;
}

static uint8_t *
write_le(uint8_t *p, uint32_t v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		*p++ = (uint8_t)(v >> 8 * i);
	return p;
}

static uint8_t *
write_r32(uint8_t *p, float f)
{
	uint32_t bits;

	memcpy(&bits, &f, sizeof(bits));
	return write_le(p, bits, 4);
}

/* 7.2.6.1 SIQ, 7.2.6.2 DIQ */
static void
get_siq(struct iec_object *o, struct cursor *c)
{
	uint8_t b = cursor_u8(c);

	o->value = b & 1;
	o->quality = b & 0xf0;
}

static void
get_diq(struct iec_object *o, struct cursor *c)
{
	uint8_t b = cursor_u8(c);

	o->value = b & 3;
	o->quality = b & 0xf0;
}

static uint8_t *
put_value_quality(const struct iec_object *o, uint8_t *p)
{
	*p++ = (uint8_t)(o->value | o->quality);
	return p;
}

/* 7.2.6.5 VTI, 7.2.6.3 QDS */
static void
get_qds(struct iec_object *o, struct cursor *c)
{
	o->quality = cursor_u8(c) & 0xf1;
}

static void
get_vti_qds(struct iec_object *o, struct cursor *c)
{
	uint8_t b = cursor_u8(c);

	o->value = (b & 0x3f) - (b & 0x40);
	o->transient = b & 0x80;
	get_qds(o, c);
}

static uint8_t *
put_vti_qds(const struct iec_object *o, uint8_t *p)
{
	*p++ = (uint8_t)((o->value & 0x7f) | o->transient << 7);
	*p++ = o->quality;
	return p;
}

/* 7.2.6.13 BSI: a string of bits, so its first octet stays first */
static void
get_bsi(struct iec_object *o, struct cursor *c)
{
	o->value = (int32_t)cursor_u32be(c);
}

static uint8_t *
put_bsi(const struct iec_object *o, uint8_t *p)
{
	for (int i = 3; i >= 0; i--)
		*p++ = (uint8_t)((uint32_t)o->value >> 8 * i);
	return p;
}

static void
get_bsi_qds(struct iec_object *o, struct cursor *c)
{
	get_bsi(o, c);
	get_qds(o, c);
}

static uint8_t *
put_bsi_qds(const struct iec_object *o, uint8_t *p)
{
	p = put_bsi(o, p);
	*p++ = o->quality;
	return p;
}

/* 7.2.6.6 NVA, 7.2.6.7 SVA */
static void
get_i16(struct iec_object *o, struct cursor *c)
{
	o->value = read_i16(c);
}

static uint8_t *
put_i16(const struct iec_object *o, uint8_t *p)
{
	return write_le(p, (uint32_t)o->value, 2);
}

static void
get_i16_qds(struct iec_object *o, struct cursor *c)
{
	o->value = read_i16(c);
	get_qds(o, c);
}

static uint8_t *
put_i16_qds(const struct iec_object *o, uint8_t *p)
{
	p = put_i16(o, p);
	*p++ = o->quality;
	return p;
}

/* 7.2.6.8 R32-IEEE STD 754 */
static void
get_r32_qds(struct iec_object *o, struct cursor *c)
{
	o->real = read_r32(c);
	get_qds(o, c);
}

static uint8_t *
put_r32_qds(const struct iec_object *o, uint8_t *p)
{
	p = write_r32(p, o->real);
	*p++ = o->quality;
	return p;
}

/* 7.2.6.9 BCR */
static void
get_bcr(struct iec_object *o, struct cursor *c)
{
	o->value = (int32_t)cursor_u32le(c);
	o->quality = cursor_u8(c);
}

static uint8_t *
put_bcr(const struct iec_object *o, uint8_t *p)
{
	p = write_le(p, (uint32_t)o->value, 4);
	*p++ = o->quality;
	return p;
}

/* 7.2.6.10 SEP with 7.2.6.20 CP16Time2a */
static void
get_sep(struct iec_object *o, struct cursor *c)
{
	uint8_t b = cursor_u8(c);

	o->value = b & 3;
	o->quality = b & 0xf8;
	o->elapsed = cursor_u16le(c);
	if (o->value != 1 && o->value != 2)
		o->defect = "a protection event that is neither off nor on";
}

static uint8_t *
put_sep(const struct iec_object *o, uint8_t *p)
{
	return write_le(put_value_quality(o, p), o->elapsed, 2);
}

/* 7.2.6.11 SPE, 7.2.6.12 OCI, with 7.2.6.4 QDP and CP16Time2a */
static void
get_bits_qdp(struct iec_object *o, struct cursor *c, uint8_t mask)
{
	o->value = cursor_u8(c) & mask;
	o->quality = cursor_u8(c) & 0xf8;
	o->elapsed = cursor_u16le(c);
}

static void
get_spe(struct iec_object *o, struct cursor *c)
{
	get_bits_qdp(o, c, 0x3f);
}

static void
get_oci(struct iec_object *o, struct cursor *c)
{
	get_bits_qdp(o, c, 0x0f);
}

static uint8_t *
put_bits_qdp(const struct iec_object *o, uint8_t *p)
{
	*p++ = (uint8_t)o->value;
	*p++ = o->quality;
	return write_le(p, o->elapsed, 2);
}

/* 7.2.6.40 SCD */
static void
get_scd_qds(struct iec_object *o, struct cursor *c)
{
	o->value = (int32_t)cursor_u32le(c);
	get_qds(o, c);
}

static uint8_t *
put_scd_qds(const struct iec_object *o, uint8_t *p)
{
	return put_bcr(o, p);
}

/* 7.2.6.15 SCO, 7.2.6.16 DCO, 7.2.6.17 RCO */
static void
get_command(struct iec_object *o, struct cursor *c, uint8_t mask)
{
	uint8_t b = cursor_u8(c);

	o->value = b & mask;
	o->qualifier = b >> 2 & 0x1f;
	o->select = b & 0x80;
}

static void
get_sco(struct iec_object *o, struct cursor *c)
{
	get_command(o, c, 1);
}

static void
get_dco(struct iec_object *o, struct cursor *c)
{
	get_command(o, c, 3);
}

static void
get_rco(struct iec_object *o, struct cursor *c)
{
	get_command(o, c, 3);
	if (o->value != 1 && o->value != 2)
		o->defect = "a step command that is neither lower nor higher";
}

static uint8_t *
put_command(const struct iec_object *o, uint8_t *p)
{
	*p++ = (uint8_t)(o->value | o->qualifier << 2 | o->select << 7);
	return p;
}

/* Set points with 7.2.6.39 QOS */
static void
get_qos(struct iec_object *o, struct cursor *c)
{
	uint8_t b = cursor_u8(c);

	o->qualifier = b & 0x7f;
	o->select = b & 0x80;
}

static uint8_t *
put_qos(const struct iec_object *o, uint8_t *p)
{
	*p++ = (uint8_t)(o->qualifier | o->select << 7);
	return p;
}

static void
get_i16_qos(struct iec_object *o, struct cursor *c)
{
	o->value = read_i16(c);
	get_qos(o, c);
}

static uint8_t *
put_i16_qos(const struct iec_object *o, uint8_t *p)
{
	return put_qos(o, put_i16(o, p));
}

static void
get_r32_qos(struct iec_object *o, struct cursor *c)
{
	o->real = read_r32(c);
	get_qos(o, c);
}

static uint8_t *
put_r32_qos(const struct iec_object *o, uint8_t *p)
{
	return put_qos(o, write_r32(p, o->real));
}

/* Parameters with 7.2.6.24 QPM; 7.2.6.22 QOI, 7.2.6.25 QPA, 7.2.6.27 QRP: one octet */
static void
get_octet(struct iec_object *o, struct cursor *c)
{
	o->qualifier = cursor_u8(c);
}

static uint8_t *
put_octet(const struct iec_object *o, uint8_t *p)
{
	*p++ = o->qualifier;
	return p;
}

static void
get_i16_qpm(struct iec_object *o, struct cursor *c)
{
	o->value = read_i16(c);
	get_octet(o, c);
}

static uint8_t *
put_i16_qpm(const struct iec_object *o, uint8_t *p)
{
	return put_octet(o, put_i16(o, p));
}

static void
get_r32_qpm(struct iec_object *o, struct cursor *c)
{
	o->real = read_r32(c);
	get_octet(o, c);
}

static uint8_t *
put_r32_qpm(const struct iec_object *o, uint8_t *p)
{
	return put_octet(o, write_r32(p, o->real));
}

/* 7.2.6.23 QCC */
static void
get_qcc(struct iec_object *o, struct cursor *c)
{
	uint8_t b = cursor_u8(c);

	o->qualifier = b & 0x3f;
	o->freeze = b >> 6;
}

static uint8_t *
put_qcc(const struct iec_object *o, uint8_t *p)
{
	*p++ = (uint8_t)(o->qualifier | o->freeze << 6);
	return p;
}

static void
get_nothing(struct iec_object *o, struct cursor *c)
{
	(void)o, (void)c;
}

static uint8_t *
put_nothing(const struct iec_object *o, uint8_t *p)
{
	(void)o;
	return p;
}

/* 7.2.6.18 CP56Time2a as the element */
static void
get_cp56(struct iec_object *o, struct cursor *c)
{
	iec_time_decode(&o->time, c, IEC_TIME_CP56);
}

static uint8_t *
put_cp56(const struct iec_object *o, uint8_t *p)
{
	return iec_time_encode(&o->time, p);
}

/* 7.2.6.14 FBP, and TSC of part 104 */
static void
get_u16(struct iec_object *o, struct cursor *c)
{
	o->value = cursor_u16le(c);
}

/* CP16Time2a of a delay */
static void
get_delay(struct iec_object *o, struct cursor *c)
{
	o->elapsed = cursor_u16le(c);
}

static uint8_t *
put_delay(const struct iec_object *o, uint8_t *p)
{
	return write_le(p, o->elapsed, 2);
}

/* Files, 7.2.6.28 .. 7.2.6.38: name, section, length, qualifier, in the order of the type */
static void
get_file_name(struct iec_object *o, struct cursor *c)
{
	o->file.name = cursor_u16le(c);
}

static void
get_f_fr(struct iec_object *o, struct cursor *c)
{
	get_file_name(o, c);
	o->file.length = cursor_u24le(c);
	o->file.qualifier = cursor_u8(c);
}

static uint8_t *
put_f_fr(const struct iec_object *o, uint8_t *p)
{
	p = write_le(write_le(p, o->file.name, 2), o->file.length, 3);
	*p++ = o->file.qualifier;
	return p;
}

static void
get_f_sr(struct iec_object *o, struct cursor *c)
{
	get_file_name(o, c);
	o->file.section = cursor_u8(c);
	o->file.length = cursor_u24le(c);
	o->file.qualifier = cursor_u8(c);
}

static uint8_t *
put_f_sr(const struct iec_object *o, uint8_t *p)
{
	p = write_le(p, o->file.name, 2);
	*p++ = o->file.section;
	p = write_le(p, o->file.length, 3);
	*p++ = o->file.qualifier;
	return p;
}

static void
get_f_sc(struct iec_object *o, struct cursor *c)
{
	get_file_name(o, c);
	o->file.section = cursor_u8(c);
	o->file.qualifier = cursor_u8(c);
}

static uint8_t *
put_f_sc(const struct iec_object *o, uint8_t *p)
{
	p = write_le(p, o->file.name, 2);
	*p++ = o->file.section;
	*p++ = o->file.qualifier;
	return p;
}

static void
get_f_ls(struct iec_object *o, struct cursor *c)
{
	get_f_sc(o, c);
	o->file.checksum = cursor_u8(c);
}

static uint8_t *
put_f_ls(const struct iec_object *o, uint8_t *p)
{
	p = put_f_sc(o, p);
	*p++ = o->file.checksum;
	return p;
}

static void
get_f_sg(struct iec_object *o, struct cursor *c)
{
	get_file_name(o, c);
	o->file.section = cursor_u8(c);
	o->file.segment_len = cursor_u8(c);
	o->file.segment = cursor_bytes(c, o->file.segment_len);
}

static uint8_t *
put_f_sg(const struct iec_object *o, uint8_t *p)
{
	p = write_le(p, o->file.name, 2);
	*p++ = o->file.section;
	*p++ = o->file.segment_len;
	if (o->file.segment_len)
		memcpy(p, o->file.segment, o->file.segment_len);
	return p + o->file.segment_len;
}

static void
get_f_dr(struct iec_object *o, struct cursor *c)
{
	get_f_fr(o, c);
	get_cp56(o, c);
}

static uint8_t *
put_f_dr(const struct iec_object *o, uint8_t *p)
{
	return put_cp56(o, put_f_fr(o, p));
}

#define BOTH (IEC_IN_101 | IEC_IN_104)
#define Q(x) IEC_QUALITY_##x
#define ROW(id_, name_, class_, kind_, quality_, size_, time_, in_, get_, put_)                    \
	[id_] = { .id = id_,                                                                       \
		.name = name_,                                                                     \
		.class = IEC_CLASS_##class_,                                                       \
		.kind = IEC_##kind_,                                                               \
		.quality = IEC_QUALITY_##quality_,                                                 \
		.size = size_,                                                                     \
		.time = IEC_TIME_##time_,                                                          \
		.in = in_,                                                                         \
		.get = get_,                                                                       \
		.put = put_ }

/* clang-format off */
static const struct iec_type types[128] = {
	/*  id   name          class          kind         quality  size time in */
	ROW(  1, "M_SP_NA_1",  DATA,    SINGLE,             INDICATION,  1, NONE, BOTH, get_siq, put_value_quality),
	ROW(  2, "M_SP_TA_1",  DATA,    SINGLE,             INDICATION,  1, CP24, IEC_IN_101, get_siq, put_value_quality),
	ROW(  3, "M_DP_NA_1",  DATA,    DOUBLE,             INDICATION,  1, NONE, BOTH, get_diq, put_value_quality),
	ROW(  4, "M_DP_TA_1",  DATA,    DOUBLE,             INDICATION,  1, CP24, IEC_IN_101, get_diq, put_value_quality),
	ROW(  5, "M_ST_NA_1",  DATA,    STEP_POSITION,      MEASUREMENT, 2, NONE, BOTH, get_vti_qds, put_vti_qds),
	ROW(  6, "M_ST_TA_1",  DATA,    STEP_POSITION,      MEASUREMENT, 2, CP24, IEC_IN_101, get_vti_qds, put_vti_qds),
	ROW(  7, "M_BO_NA_1",  DATA,    BITSTRING,          MEASUREMENT, 5, NONE, BOTH, get_bsi_qds, put_bsi_qds),
	ROW(  8, "M_BO_TA_1",  DATA,    BITSTRING,          MEASUREMENT, 5, CP24, IEC_IN_101, get_bsi_qds, put_bsi_qds),
	ROW(  9, "M_ME_NA_1",  DATA,    NORMALIZED,         MEASUREMENT, 3, NONE, BOTH, get_i16_qds, put_i16_qds),
	ROW( 10, "M_ME_TA_1",  DATA,    NORMALIZED,         MEASUREMENT, 3, CP24, IEC_IN_101, get_i16_qds, put_i16_qds),
	ROW( 11, "M_ME_NB_1",  DATA,    SCALED,             MEASUREMENT, 3, NONE, BOTH, get_i16_qds, put_i16_qds),
	ROW( 12, "M_ME_TB_1",  DATA,    SCALED,             MEASUREMENT, 3, CP24, IEC_IN_101, get_i16_qds, put_i16_qds),
	ROW( 13, "M_ME_NC_1",  DATA,    FLOATING,           MEASUREMENT, 5, NONE, BOTH, get_r32_qds, put_r32_qds),
	ROW( 14, "M_ME_TC_1",  DATA,    FLOATING,           MEASUREMENT, 5, CP24, IEC_IN_101, get_r32_qds, put_r32_qds),
	ROW( 15, "M_IT_NA_1",  DATA,    BINARY_COUNTER,     COUNTER,     5, NONE, BOTH, get_bcr, put_bcr),
	ROW( 16, "M_IT_TA_1",  DATA,    BINARY_COUNTER,     COUNTER,     5, CP24, IEC_IN_101, get_bcr, put_bcr),
	ROW( 17, "M_EP_TA_1",  DATA,    PROTECTION,         PROTECTION,  3, CP24, IEC_IN_101, get_sep, put_sep),
	ROW( 18, "M_EP_TB_1",  DATA,    PROTECTION_START,   PROTECTION,  4, CP24, IEC_IN_101, get_spe, put_bits_qdp),
	ROW( 19, "M_EP_TC_1",  DATA,    PROTECTION_COMMAND, PROTECTION,  4, CP24, IEC_IN_101, get_oci, put_bits_qdp),
	ROW( 20, "M_PS_NA_1",  DATA,    STATUS,             MEASUREMENT, 5, NONE, BOTH, get_scd_qds, put_scd_qds),
	ROW( 21, "M_ME_ND_1",  DATA,    NORMALIZED,         NONE,        2, NONE, BOTH, get_i16, put_i16),
	ROW( 30, "M_SP_TB_1",  DATA,    SINGLE,             INDICATION,  1, CP56, BOTH, get_siq, put_value_quality),
	ROW( 31, "M_DP_TB_1",  DATA,    DOUBLE,             INDICATION,  1, CP56, BOTH, get_diq, put_value_quality),
	ROW( 32, "M_ST_TB_1",  DATA,    STEP_POSITION,      MEASUREMENT, 2, CP56, BOTH, get_vti_qds, put_vti_qds),
	ROW( 33, "M_BO_TB_1",  DATA,    BITSTRING,          MEASUREMENT, 5, CP56, BOTH, get_bsi_qds, put_bsi_qds),
	ROW( 34, "M_ME_TD_1",  DATA,    NORMALIZED,         MEASUREMENT, 3, CP56, BOTH, get_i16_qds, put_i16_qds),
	ROW( 35, "M_ME_TE_1",  DATA,    SCALED,             MEASUREMENT, 3, CP56, BOTH, get_i16_qds, put_i16_qds),
	ROW( 36, "M_ME_TF_1",  DATA,    FLOATING,           MEASUREMENT, 5, CP56, BOTH, get_r32_qds, put_r32_qds),
	ROW( 37, "M_IT_TB_1",  DATA,    BINARY_COUNTER,     COUNTER,     5, CP56, BOTH, get_bcr, put_bcr),
	ROW( 38, "M_EP_TD_1",  DATA,    PROTECTION,         PROTECTION,  3, CP56, BOTH, get_sep, put_sep),
	ROW( 39, "M_EP_TE_1",  DATA,    PROTECTION_START,   PROTECTION,  4, CP56, BOTH, get_spe, put_bits_qdp),
	ROW( 40, "M_EP_TF_1",  DATA,    PROTECTION_COMMAND, PROTECTION,  4, CP56, BOTH, get_oci, put_bits_qdp),
	ROW( 45, "C_SC_NA_1",  COMMAND, SINGLE,             NONE,        1, NONE, BOTH, get_sco, put_command),
	ROW( 46, "C_DC_NA_1",  COMMAND, DOUBLE,             NONE,        1, NONE, BOTH, get_dco, put_command),
	ROW( 47, "C_RC_NA_1",  COMMAND, REGULATING,         NONE,        1, NONE, BOTH, get_rco, put_command),
	ROW( 48, "C_SE_NA_1",  COMMAND, NORMALIZED,         NONE,        3, NONE, BOTH, get_i16_qos, put_i16_qos),
	ROW( 49, "C_SE_NB_1",  COMMAND, SCALED,             NONE,        3, NONE, BOTH, get_i16_qos, put_i16_qos),
	ROW( 50, "C_SE_NC_1",  COMMAND, FLOATING,           NONE,        5, NONE, BOTH, get_r32_qos, put_r32_qos),
	ROW( 51, "C_BO_NA_1",  COMMAND, BITSTRING,          NONE,        4, NONE, BOTH, get_bsi, put_bsi),
	ROW( 58, "C_SC_TA_1",  COMMAND, SINGLE,             NONE,        1, CP56, IEC_IN_104, get_sco, put_command),
	ROW( 59, "C_DC_TA_1",  COMMAND, DOUBLE,             NONE,        1, CP56, IEC_IN_104, get_dco, put_command),
	ROW( 60, "C_RC_TA_1",  COMMAND, REGULATING,         NONE,        1, CP56, IEC_IN_104, get_rco, put_command),
	ROW( 61, "C_SE_TA_1",  COMMAND, NORMALIZED,         NONE,        3, CP56, IEC_IN_104, get_i16_qos, put_i16_qos),
	ROW( 62, "C_SE_TB_1",  COMMAND, SCALED,             NONE,        3, CP56, IEC_IN_104, get_i16_qos, put_i16_qos),
	ROW( 63, "C_SE_TC_1",  COMMAND, FLOATING,           NONE,        5, CP56, IEC_IN_104, get_r32_qos, put_r32_qos),
	ROW( 64, "C_BO_TA_1",  COMMAND, BITSTRING,          NONE,        4, CP56, IEC_IN_104, get_bsi, put_bsi),
	ROW( 70, "M_EI_NA_1",  END_OF_INIT,           NO_VALUE, NONE,    1, NONE, BOTH, get_qos, put_qos),
	ROW(100, "C_IC_NA_1",  INTERROGATION,         NO_VALUE, NONE,    1, NONE, BOTH, get_octet, put_octet),
	ROW(101, "C_CI_NA_1",  COUNTER_INTERROGATION, NO_VALUE, NONE,    1, NONE, BOTH, get_qcc, put_qcc),
	ROW(102, "C_RD_NA_1",  READ,                  NO_VALUE, NONE,    0, NONE, BOTH, get_nothing, put_nothing),
	ROW(103, "C_CS_NA_1",  CLOCK_SYNC,            NO_VALUE, NONE,    7, NONE, BOTH, get_cp56, put_cp56),
	ROW(104, "C_TS_NA_1",  TEST,                  NO_VALUE, NONE,    2, NONE, IEC_IN_101, get_u16, put_i16),
	ROW(105, "C_RP_NA_1",  RESET,                 NO_VALUE, NONE,    1, NONE, BOTH, get_octet, put_octet),
	ROW(106, "C_CD_NA_1",  DELAY,                 NO_VALUE, NONE,    2, NONE, IEC_IN_101, get_delay, put_delay),
	ROW(107, "C_TS_TA_1",  TEST,                  NO_VALUE, NONE,    2, CP56, IEC_IN_104, get_u16, put_i16),
	ROW(110, "P_ME_NA_1",  PARAMETER, NORMALIZED,           NONE,    3, NONE, BOTH, get_i16_qpm, put_i16_qpm),
	ROW(111, "P_ME_NB_1",  PARAMETER, SCALED,               NONE,    3, NONE, BOTH, get_i16_qpm, put_i16_qpm),
	ROW(112, "P_ME_NC_1",  PARAMETER, FLOATING,             NONE,    5, NONE, BOTH, get_r32_qpm, put_r32_qpm),
	ROW(113, "P_AC_NA_1",  PARAMETER_ACTIVATION,  NO_VALUE, NONE,    1, NONE, BOTH, get_octet, put_octet),
	ROW(120, "F_FR_NA_1",  FILE,                  NO_VALUE, NONE,    6, NONE, BOTH, get_f_fr, put_f_fr),
	ROW(121, "F_SR_NA_1",  FILE,                  NO_VALUE, NONE,    7, NONE, BOTH, get_f_sr, put_f_sr),
	ROW(122, "F_SC_NA_1",  FILE,                  NO_VALUE, NONE,    4, NONE, BOTH, get_f_sc, put_f_sc),
	ROW(123, "F_LS_NA_1",  FILE,                  NO_VALUE, NONE,    5, NONE, BOTH, get_f_ls, put_f_ls),
	ROW(124, "F_AF_NA_1",  FILE,                  NO_VALUE, NONE,    4, NONE, BOTH, get_f_sc, put_f_sc),
	ROW(125, "F_SG_NA_1",  FILE,                  NO_VALUE, NONE,    4, NONE, BOTH, get_f_sg, put_f_sg),
	ROW(126, "F_DR_TA_1",  FILE,                  NO_VALUE, NONE,   13, NONE, BOTH, get_f_dr, put_f_dr),
};

/* The range of the fields of an object, by kind. */
static const struct {
	int32_t min, max;
} ranges[IEC_KINDS + 1] = {
	[IEC_SINGLE] = { .min = 0, .max = 1 }, [IEC_DOUBLE] = { .min = 0, .max = 3 }, [IEC_STEP_POSITION] = { .min = -64, .max = 63 },
	[IEC_BITSTRING] = { .min = INT32_MIN, .max = INT32_MAX }, [IEC_NORMALIZED] = { .min = INT16_MIN, .max = INT16_MAX },
	[IEC_SCALED] = { .min = INT16_MIN, .max = INT16_MAX }, [IEC_FLOATING] = { .min = 0, .max = 0 },
	[IEC_BINARY_COUNTER] = { .min = INT32_MIN, .max = INT32_MAX }, [IEC_PROTECTION] = { .min = 1, .max = 2 },
	[IEC_PROTECTION_START] = { .min = 0, .max = 0x3f }, [IEC_PROTECTION_COMMAND] = { .min = 0, .max = 0x0f },
	[IEC_STATUS] = { .min = INT32_MIN, .max = INT32_MAX }, [IEC_REGULATING] = { .min = 1, .max = 2 },
	[IEC_NO_VALUE] = { .min = 0, .max = UINT16_MAX },
};

/* Bits that each quality descriptor has. */
static const uint8_t quality_bits[] = {
	[IEC_QUALITY_NONE] = 0,
	[IEC_QUALITY_INDICATION] = 0xf0,
	[IEC_QUALITY_MEASUREMENT] = 0xf1,
	[IEC_QUALITY_COUNTER] = 0xff,
	[IEC_QUALITY_PROTECTION] = 0xf8,
};
/* clang-format on */

const struct iec_type *
iec_type_find(uint8_t id)
{
	return id < sizeof(types) / sizeof(types[0]) && types[id].name ? &types[id] : NULL;
}

const struct iec_type *
iec_type_choose(
    enum iec_class class, enum iec_kind kind, enum iec_time_size time, bool with_quality)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		const struct iec_type *t = &types[i];
		if (!t->name || t->class != class || t->kind != kind || t->time != time)
			continue;
		if (class == IEC_CLASS_DATA && with_quality != (t->quality != IEC_QUALITY_NONE))
			continue;
		return t;
	}
	return NULL;
}

const struct iec_type *
iec_type_untagged(const struct iec_type *type)
{
	if (type->time == IEC_TIME_NONE)
		return type;
	/* Types with CP24 follow the one without a tag; those with CP56 have the same order. */
	if (type->id <= 16)
		return iec_type_find(type->id - 1);
	if (type->id >= 30 && type->id <= 37)
		return iec_type_find((uint8_t)(1 + 2 * (type->id - 30)));
	return NULL;
}

void
iec_object_decode(struct iec_object *o, const struct iec_type *type, struct cursor *c)
{
	*o = (struct iec_object){ .address = o->address };
	type->get(o, c);
	if (type->time != IEC_TIME_NONE)
		iec_time_decode(&o->time, c, type->time);
}

size_t
iec_object_size(const struct iec_object *o, const struct iec_type *type)
{
	return (size_t)type->size + type->time + o->file.segment_len;
}

uint8_t *
iec_object_encode(const struct iec_object *o, const struct iec_type *type, uint8_t *p)
{
	p = type->put(o, p);
	return type->time != IEC_TIME_NONE ? iec_time_encode(&o->time, p) : p;
}

static bool
qualifier_fits(const struct iec_object *o, const struct iec_type *type)
{
	switch (type->class) {
	case IEC_CLASS_COMMAND:
		if (type->kind == IEC_BITSTRING)
			return o->qualifier == 0 && !o->select;
		return o->qualifier <= (type->size == 1 ? 0x1f : 0x7f);
	case IEC_CLASS_END_OF_INIT:
		return o->qualifier <= 0x7f;
	case IEC_CLASS_COUNTER_INTERROGATION:
		return o->qualifier <= 0x3f && o->freeze <= 3;
	default:
		return true;
	}
}

const char *
iec_object_check(const struct iec_object *o, const struct iec_type *type)
{
	bool element_time = type->class == IEC_CLASS_CLOCK_SYNC || type->id == 126;
	unsigned want_time = element_time ? IEC_TIME_CP56 : type->time;

	if (o->value < ranges[type->kind].min || o->value > ranges[type->kind].max)
		return "value out of range";
	if (o->quality & ~quality_bits[type->quality])
		return "quality out of range";
	if (!qualifier_fits(o, type))
		return "qualifier out of range";
	if (o->time.size != want_time)
		return want_time ? "no time of the type's size"
				 : "a time that the type has no place for";
	if (type->class == IEC_CLASS_FILE &&
	    (o->file.length > 0xffffff || (o->file.segment_len && type->id != 125)))
		return "file out of range";
	return NULL;
}

uint8_t
iec_interrogation_cause(const struct iec_type *type, unsigned qualifier)
{
	enum { GROUPS = 16, COUNTERS_GENERAL = 5 };

	if (type->class == IEC_CLASS_INTERROGATION && qualifier >= IEC_INTERROGATED_STATION &&
	    qualifier <= IEC_INTERROGATED_STATION + GROUPS)
		return (uint8_t)qualifier;
	if (type->class == IEC_CLASS_COUNTER_INTERROGATION && qualifier >= 1 &&
	    qualifier <= COUNTERS_GENERAL)
		return (uint8_t)(IEC_INTERROGATED_COUNTER + qualifier % COUNTERS_GENERAL);
	return 0;
}

const char *
iec_cause_name(unsigned cause)
{
	static const char *const names[] = { NULL, "PERIODIC", "BACKGROUND_SCAN", "SPONTANEOUS",
		"INITIALIZED", "REQUEST", "ACTIVATION", "ACTIVATION_CONFIRMATION", "DEACTIVATION",
		"DEACTIVATION_CONFIRMATION", "ACTIVATION_TERMINATION", "REMOTE_COMMAND",
		"LOCAL_COMMAND", "FILE_TRANSFER", NULL, NULL, NULL, NULL, NULL, NULL,
		"INTERROGATED_STATION", "INTERROGATED_GROUP01", "INTERROGATED_GROUP02",
		"INTERROGATED_GROUP03", "INTERROGATED_GROUP04", "INTERROGATED_GROUP05",
		"INTERROGATED_GROUP06", "INTERROGATED_GROUP07", "INTERROGATED_GROUP08",
		"INTERROGATED_GROUP09", "INTERROGATED_GROUP10", "INTERROGATED_GROUP11",
		"INTERROGATED_GROUP12", "INTERROGATED_GROUP13", "INTERROGATED_GROUP14",
		"INTERROGATED_GROUP15", "INTERROGATED_GROUP16", "INTERROGATED_COUNTER",
		"INTERROGATED_COUNTER01", "INTERROGATED_COUNTER02", "INTERROGATED_COUNTER03",
		"INTERROGATED_COUNTER04", NULL, NULL, "UNKNOWN_TYPE", "UNKNOWN_CAUSE",
		"UNKNOWN_ASDU_ADDRESS", "UNKNOWN_IO_ADDRESS" };

	return cause < sizeof(names) / sizeof(names[0]) ? names[cause] : NULL;
}
