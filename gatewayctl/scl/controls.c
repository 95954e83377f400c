/* Controls and settings of a logical node. */
#include <stdio.h>
#include <string.h>

#include "gatewayctl/scl/convert.h"

/* The names of models in SCL, and their numbers; NULL: nothing can be controlled. */
static const struct {
	const char *name, *number, *model;
} models[] = {
	{ .name = "status-only", .number = "0" },
	{ .name = "direct-with-normal-security",
	    .number = "1",
	    .model = "DIRECT_WITH_NORMAL_SECURITY" },
	{ .name = "sbo-with-normal-security", .number = "2", .model = "SBO_WITH_NORMAL_SECURITY" },
	{ .name = "direct-with-enhanced-security",
	    .number = "3",
	    .model = "DIRECT_WITH_ENHANCED_SECURITY" },
	{ .name = "sbo-with-enhanced-security",
	    .number = "4",
	    .model = "SBO_WITH_ENHANCED_SECURITY" },
};

/* The control model that an instance, or else the type, has. */
static const char *
control_model(const struct scl_node *n, const char *object, const struct scl_element *attribute)
{
	const struct scl_element *doi = scl_child(n->element, SCL_DOI, "name", object);
	const struct scl_element *dai = doi ? scl_child(doi, SCL_DAI, "name", "ctlModel") : NULL;
	const struct scl_element *value = dai ? scl_next(dai->child, SCL_VAL) : NULL;

	if (!value && attribute)
		value = scl_next(attribute->child, SCL_VAL);
	return value ? value->text : "";
}

/* Puts the type of Oper.ctlVal as the type of the data object at CO. */
static bool
put_control_type(struct scl_convert *c, const struct scl_node *n, const char *object,
    const struct scl_element *value)
{
	struct buffer *b = &c->sections[SECTION_TYPES];
	char key[3 * SCL_NAME];
	size_t start = b->len;

	snprintf(key, sizeof(key), "%s/%s/CO/%s", n->device, n->name, object);
	if (!scl_once(c, "type", key)) /* a data set has it */
		return true;
	scl_put_pair(b, "  - {logical_device", n->device);
	scl_put_pair(b, ", logical_node", n->name);
	scl_put_pair(b, ", fc: CO, name", object);
	buffer_append_str(b, ",\n     type: {type: STRUCT, elements: [{name: Oper, type: {type: "
			     "STRUCT, elements: [{name: ctlVal, type: ");
	bool good = scl_put_attribute(b, &c->types, value);
	buffer_append_str(b, "}]}}]}}\n");
	if (!good)
		buffer_truncate(b, start);
	return good;
}

static void
put_command(struct scl_convert *c, const struct scl_node *n, const struct scl_way *way,
    const char *model, bool with_time)
{
	struct buffer *b = &c->sections[SECTION_COMMANDS];

	scl_put_name(c, SECTION_COMMANDS, n, way, 1, NULL);
	buffer_printf(b, "\n    model: %s\n    ref: ", model);
	scl_put_pair(b, "{logical_device", n->device);
	scl_put_pair(b, ", logical_node", n->name);
	scl_put_pair(b, ", name", way->steps[0].name);
	buffer_printf(b, "}\n    with_operate_time: %s\n", with_time ? "true" : "false");
}

static void
convert_control(struct scl_convert *c, const struct scl_node *n, const struct scl_element *object,
    const struct scl_way *way)
{
	const char *name = way->steps[0].name;
	const struct scl_element *attribute = scl_attribute(way->type, "ctlModel", "CF");
	const char *said = control_model(n, name, attribute), *model = NULL;
	struct scl_way value = *way, with_time = *way;
	bool known = false;

	for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++)
		if (strcmp(said, models[i].name) == 0 || strcmp(said, models[i].number) == 0) {
			model = models[i].model;
			known = true;
		}
	if (known && !model)
		return;
	bool good = scl_way_step(&value, &c->types, "Oper", "CO") &&
		    scl_way_step(&value, &c->types, "ctlVal", "CO") && !value.array &&
		    scl_way_step(&with_time, &c->types, "Oper", "CO");
	if (good && !known) {
		scl_note(c, object,
		    "%s.%s: the file does not say its ctlModel; the command is left "
		    "out",
		    n->name, name);
		return;
	}
	if (good && put_control_type(c, n, name, value.attribute))
		put_command(c, n, way, model, scl_way_step(&with_time, &c->types, "operTm", "CO"));
	else if (known)
		scl_note(
		    c, object, "%s.%s: %s; the command is left out", n->name, name, c->types.why);
}

/* Settings are written as single values. */
static void
convert_setting(struct scl_convert *c, const struct scl_node *n, const struct scl_way *way)
{
	static const char *const names[] = { "setVal", "setMag", NULL };
	struct buffer *b = &c->sections[SECTION_CHANGES];

	for (int i = 0; names[i]; i++) {
		struct scl_way value = *way;
		if (!scl_attribute(way->type, names[i], "SP") ||
		    !scl_way_step(&value, &c->types, names[i], "SP") ||
		    !scl_need_type(c, n, "SP", &way->steps[0]))
			continue;
		scl_put_name(c, SECTION_CHANGES, n, way, 1, names[i]);
		buffer_append_str(b, "\n    ref: ");
		scl_put_value(b, n, "SP", &value);
		buffer_append_str(b, "\n");
	}
}

void
scl_controls(struct scl_convert *c, const struct scl_node *n)
{
	const char *type = scl_get(n->element, "lnType");
	const struct scl_element *node = scl_template(c->types.tree, SCL_LNODE_TYPE, type);
	struct scl_way way;

	if (!node)
		return;
	scl_foreach(object, node, SCL_DO)
	{
		const char *name = scl_get(object, "name");
		char key[3 * SCL_NAME];
		if (!scl_way_find(&way, &c->types, type, name, "", "", ""))
			continue;
		snprintf(key, sizeof(key), "%s/%s/%s", n->device, n->name, name);
		if (!scl_once(c, "object", key))
			continue;
		convert_setting(c, n, &way);
		if (scl_attribute(way.type, "ctlModel", "CF") ||
		    scl_attribute(way.type, "Oper", "CO"))
			convert_control(c, n, object, &way);
	}
}
