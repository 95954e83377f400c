#include "common/schema/schema_json.h"

#include <math.h>
#include <string.h>

static const char *const type_names[] = {
	[SCHEMA_BOOL] = "boolean",
	[SCHEMA_INT] = "integer",
	[SCHEMA_NUMBER] = "number",
	[SCHEMA_STRING] = "string",
	[SCHEMA_OBJECT] = "object",
	[SCHEMA_ARRAY] = "array",
};

static void
put_type(struct json_writer *w, const struct schema *s)
{
	if (!s->nullable) {
		json_put_str(w, "type", type_names[s->kind]);
		return;
	}
	json_begin_array(w, "type");
	json_put_str(w, NULL, type_names[s->kind]);
	json_put_str(w, NULL, "null");
	json_end_array(w);
}

static void
put_limit(struct json_writer *w, const char *key, double v)
{
	if (v == floor(v) && fabs(v) <= JSON_MAX_EXACT)
		json_put_int(w, key, (int64_t)v);
	else
		json_put_double(w, key, v);
}

/* A plain off is a boolean in YAML 1.1. */
static void
put_names(struct json_writer *w, const struct schema *s)
{
	json_begin_array(w, "enum");
	for (size_t i = 0; s->names[i]; i++) {
		json_put_str(w, NULL, s->names[i]);
		if (strcmp(s->names[i], SCHEMA_OFF) == 0)
			json_put_bool(w, NULL, false);
	}
	if (s->nullable)
		json_put_null(w, NULL);
	json_end_array(w);
}

static void
put_required(struct json_writer *w, const struct schema_field *fields)
{
	size_t count = 0;

	for (const struct schema_field *f = fields; f && f->key; f++) {
		if (!f->required)
			continue;
		if (count++ == 0)
			json_begin_array(w, "required");
		json_put_str(w, NULL, f->key);
	}
	if (count)
		json_end_array(w);
}

void
schema_json_put_properties(struct json_writer *w, const struct schema_field *fields)
{
	for (const struct schema_field *f = fields; f && f->key; f++)
		schema_json_put(w, f->key, &f->is);
}

static bool
has_field(const struct schema_field *f, const char *key)
{
	while (f && f->key && strcmp(f->key, key) != 0)
		f++;
	return f && f->key;
}

/* Whether a variant before this one has the key. */
static bool
is_known(const struct schema *s, const struct schema_variant *v, const char *key)
{
	for (const struct schema_variant *before = s->variants; before < v; before++)
		if (has_field(before->fields, key))
			return true;
	return false;
}

/* Each key of each variant, once: what it must be is the variant's to say. */
static void
put_keys_of_variants(struct json_writer *w, const struct schema *s)
{
	for (const struct schema_variant *v = s->variants; v->name; v++)
		for (const struct schema_field *f = v->fields; f->key; f++)
			if (!is_known(s, v, f->key))
				json_put_bool(w, f->key, true);
}

/* The keys that only other variants have are faults. */
static void
put_other_keys(struct json_writer *w, const struct schema *s, const struct schema_variant *variant)
{
	for (const struct schema_variant *v = s->variants; v->name; v++)
		for (const struct schema_field *f = v->fields; f->key; f++)
			if (!has_field(variant->fields, f->key) && !is_known(s, v, f->key))
				json_put_bool(w, f->key, false);
}

static void
put_variant(struct json_writer *w, const struct schema *s, const struct schema_variant *v)
{
	json_begin_object(w, NULL);
	json_begin_object(w, "if");
	json_begin_object(w, "properties");
	json_begin_object(w, s->tag);
	json_put_str(w, "const", v->name);
	json_end_object(w);
	json_end_object(w);
	json_begin_array(w, "required");
	json_put_str(w, NULL, s->tag);
	json_end_array(w);
	json_end_object(w);
	json_begin_object(w, "then");
	put_required(w, v->fields);
	json_begin_object(w, "properties");
	schema_json_put_properties(w, v->fields);
	put_other_keys(w, s, v);
	json_end_object(w);
	json_end_object(w);
	json_end_object(w);
}

static void
put_object(struct json_writer *w, const struct schema *s)
{
	put_required(w, s->fields);
	json_begin_object(w, "properties");
	schema_json_put_properties(w, s->fields);
	if (s->tag)
		put_keys_of_variants(w, s);
	json_end_object(w);
	if (!s->open)
		json_put_bool(w, "additionalProperties", false);
	if (!s->tag)
		return;
	json_begin_array(w, "allOf");
	for (const struct schema_variant *v = s->variants; v->name; v++)
		put_variant(w, s, v);
	json_end_array(w);
}

static void
put_array(struct json_writer *w, const struct schema *s)
{
	if (s->min > 0)
		put_limit(w, "minItems", s->min);
	if (s->max > 0)
		put_limit(w, "maxItems", s->max);
	if (s->items)
		schema_json_put(w, "items", s->items);
}

static void
put_range(struct json_writer *w, const struct schema *s)
{
	put_limit(w, "minimum", s->min);
	put_limit(w, "maximum", s->max);
}

/* JSON Schema counts characters, the check bytes. */
static void
put_length(struct json_writer *w, const struct schema *s)
{
	if (s->max > 0)
		put_limit(w, "maxLength", s->max);
}

void
schema_json_put_members(struct json_writer *w, const struct schema *s)
{
	static void (*const put[])(struct json_writer * w, const struct schema *s) = {
		[SCHEMA_INT] = put_range,
		[SCHEMA_NUMBER] = put_range,
		[SCHEMA_STRING] = put_length,
		[SCHEMA_ENUM] = put_names,
		[SCHEMA_OBJECT] = put_object,
		[SCHEMA_ARRAY] = put_array,
	};

	if (s->kind != SCHEMA_ANY && s->kind != SCHEMA_ENUM)
		put_type(w, s);
	if (s->kind < sizeof(put) / sizeof(put[0]) && put[s->kind])
		put[s->kind](w, s);
}

void
schema_json_put(struct json_writer *w, const char *key, const struct schema *s)
{
	json_begin_object(w, key);
	schema_json_put_members(w, s);
	json_end_object(w);
}
