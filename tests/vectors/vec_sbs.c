/* sbs.json: the values given encode to the bytes given, and the bytes decode to what encodes to the
 * same bytes again; what is malformed is refused. */
#include <stdio.h>
#include <string.h>

#include "tests/vectors/lib/hat.h"

/* sbs.json: types as trees. */
enum kind { NONE, BOOL, INT, FLOAT, STR, BYTES, ARRAY, RECORD, CHOICE };

struct type {
	enum kind kind;
	struct {
		const char *name; /* of a Choice's alternative */
		const struct type *type;
	} parts[4];
};

static const struct type t_none = { NONE, { { 0 } } }, t_bool = { BOOL, { { 0 } } },
			 t_int = { INT, { { 0 } } }, t_float = { FLOAT, { { 0 } } },
			 t_str = { STR, { { 0 } } }, t_bytes = { BYTES, { { 0 } } };
static const struct type t_ints = { ARRAY, { { NULL, &t_int } } },
			 t_strs = { ARRAY, { { NULL, &t_str } } },
			 t_strss = { ARRAY, { { NULL, &t_strs } } };
static const struct type t_rec = { RECORD,
	{ { NULL, &t_int }, { NULL, &t_str }, { NULL, &t_bool } } };
static const struct type t_recs = { ARRAY, { { NULL, &t_rec } } };
static const struct type t_opt_rec = { CHOICE, { { "none", &t_none }, { "value", &t_rec } } };
static const struct type t_nest = { RECORD,
	{ { NULL, &t_rec }, { NULL, &t_opt_rec }, { NULL, &t_recs } } };
static const struct type t_choice = { CHOICE,
	{ { "none", &t_none }, { "i", &t_int }, { "s", &t_str }, { "r", &t_rec } } };
static const struct type t_opt_int = { CHOICE, { { "none", &t_none }, { "value", &t_int } } };
static const struct type t_opt_str = { CHOICE, { { "none", &t_none }, { "value", &t_str } } };
static const struct type t_opt_opt = { CHOICE, { { "none", &t_none }, { "value", &t_opt_int } } };
static const struct type t_pair = { RECORD, { { NULL, &t_str }, { NULL, &t_float } } };
static const struct type t_map = { ARRAY, { { NULL, &t_pair } } };
static const struct type t_gen = { RECORD, { { NULL, &t_int }, { NULL, &t_opt_int } } };
static const struct type t_trees;
static const struct type t_tree = { RECORD, { { NULL, &t_int }, { NULL, &t_trees } } };
static const struct type t_trees = { ARRAY, { { NULL, &t_tree } } };

static const struct {
	const char *name;
	const struct type *type;
} types[] = {
	{ "TNone", &t_none },
	{ "TBool", &t_bool },
	{ "TInt", &t_int },
	{ "TFloat", &t_float },
	{ "TStr", &t_str },
	{ "TBytes", &t_bytes },
	{ "TArrInt", &t_ints },
	{ "TArrStr", &t_strs },
	{ "TArrArr", &t_strss },
	{ "TRec", &t_rec },
	{ "TRecNest", &t_nest },
	{ "TChoice", &t_choice },
	{ "TOptInt", &t_opt_int },
	{ "TOptStr", &t_opt_str },
	{ "TOptOpt", &t_opt_opt },
	{ "TMap", &t_map },
	{ "TTree", &t_tree },
	{ "TGenInt", &t_gen },
};

static const struct type *
type_of(const struct json *vector)
{
	const char *name = json_str(json_get(vector, "type"));

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(types[i].name, name) == 0)
			return types[i].type;
	return NULL;
}

static void put_value(struct buffer *b, const struct type *t, const struct json *j);

static void
put_choice(struct buffer *b, const struct type *t, const struct json *j)
{
	const char *name = json_str(json_get(j, "$choice"));

	for (int i = 0; i < 4 && t->parts[i].name; i++)
		if (strcmp(name, t->parts[i].name) == 0) {
			sbs_put_int(b, i);
			put_value(b, t->parts[i].type, json_get(j, "value"));
		}
}

static void
put_value(struct buffer *b, const struct type *t, const struct json *j)
{
	int i = 0;

	switch (t->kind) {
	case NONE:
		break;
	case BOOL:
		sbs_put_bool(b, json_is_true(j));
		break;
	case INT:
		sbs_put_int(b, vec_int(j));
		break;
	case FLOAT:
		sbs_put_float(b, vec_float(j));
		break;
	case STR:
		sbs_put_str(b, vec_str(j));
		break;
	case BYTES: {
		struct buffer bytes = vec_from_hex(json_get(j, "$hex"));
		sbs_put_str(b, vec_view(&bytes));
		buffer_clear(&bytes);
		break;
	}
	case ARRAY:
		sbs_put_int(b, (int64_t)j->count);
		json_foreach (item, j)
			put_value(b, t->parts[0].type, item);
		break;
	case RECORD:
		json_foreach (member, j)
			put_value(b, t->parts[i++].type, member);
		break;
	case CHOICE:
		put_choice(b, t, j);
		break;
	}
}

/* Decodes from c and encodes what came out. */
static void
pass_on(struct buffer *b, const struct type *t, struct cursor *c)
{
	size_t n;
	unsigned i;

	switch (t->kind) {
	case NONE:
		break;
	case BOOL:
		sbs_put_bool(b, sbs_get_bool(c));
		break;
	case INT:
		sbs_put_int(b, sbs_get_int(c));
		break;
	case FLOAT:
		sbs_put_float(b, sbs_get_float(c));
		break;
	case STR:
		sbs_put_str(b, sbs_get_str(c));
		break;
	case BYTES:
		sbs_put_str(b, sbs_get_bytes(c));
		break;
	case ARRAY:
		n = sbs_get_count(c, 1);
		sbs_put_int(b, (int64_t)n);
		while (n-- && cursor_ok(c))
			pass_on(b, t->parts[0].type, c);
		break;
	case RECORD:
		for (i = 0; i < 4 && t->parts[i].type; i++)
			pass_on(b, t->parts[i].type, c);
		break;
	case CHOICE:
		for (n = 0; n < 4 && t->parts[n].name; n++)
			;
		i = sbs_get_choice(c, (unsigned)n);
		sbs_put_int(b, i);
		pass_on(b, t->parts[i].type, c);
		break;
	}
}

/* Excepted: an Integer beyond 64 bits, which no field of the protocols needs; it must be refused.
 */
static void
check_sbs(const struct json *vector)
{
	const struct type *t = type_of(vector);
	const struct json *value = json_get(vector, "value");
	struct buffer want = vec_from_hex(json_get(vector, "hex")), got, again;
	struct cursor c = cursor_make(buffer_data(&want), want.len);
	int64_t v;

	buffer_init(&got, MAX_BYTES);
	buffer_init(&again, MAX_BYTES);
	if (t == &t_int && !vec_as_int(value, &v)) {
		sbs_get_int(&c);
		vec_count(!cursor_ok(&c), "sbs.json", "more than 64 bits was taken");
		vec_tally.passed -= !cursor_ok(&c);
		vec_tally.excepted += !cursor_ok(&c);
	} else {
		if (t) {
			put_value(&got, t, value);
			pass_on(&again, t, &c);
		}
		vec_count(t && vec_same(&got, &want) && vec_same(&again, &want) && cursor_done(&c),
		    "sbs.json", json_str(json_get(vector, "hex")));
	}
	buffer_clear(&want);
	buffer_clear(&got);
	buffer_clear(&again);
}

/* Another spelling of a value: taken, as the reference takes it. All else must be refused, whatever
 * the reference makes of it. */
static bool
is_harmless(const char *why)
{
	return strstr(why, "canonical") || strcmp(why, "none") == 0;
}

static void
check_malformed(const struct json *vector)
{
	const struct type *t = type_of(vector);
	struct buffer bytes = vec_from_hex(json_get(vector, "hex")), out, want;
	struct cursor c = cursor_make(buffer_data(&bytes), bytes.len);
	bool take = is_harmless(json_str(json_get(vector, "why")));

	buffer_init(&out, MAX_BYTES);
	buffer_init(&want, MAX_BYTES);
	if (t)
		pass_on(&out, t, &c);
	if (take && t)
		put_value(&want, t, json_get(json_get(vector, "py"), "value"));
	vec_count(t && cursor_done(&c) == take && (!take || vec_same(&out, &want)), "sbs.json",
	    json_str(json_get(vector, "why")));
	buffer_clear(&bytes);
	buffer_clear(&out);
	buffer_clear(&want);
}

int
main(int argc, char **argv)
{
	struct json_doc *doc = argc == 2 ? vec_load(argv[1], "sbs.json") : NULL;

	if (!doc) {
		puts("sbs.json: 0 passed, 1 failed, 0 excepted (not readable)");
		return 1;
	}
	json_foreach (vector, vec_list(doc, "vectors"))
		check_sbs(vector);
	json_foreach (vector, vec_list(doc, "malformed"))
		check_malformed(vector);
	printf("sbs.json: %u passed, %u failed, %u excepted\n", vec_tally.passed, vec_tally.failed,
	    vec_tally.excepted);
	json_free(doc);
	return vec_tally.failed ? 1 : 0;
}
