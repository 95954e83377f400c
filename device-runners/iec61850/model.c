/* Data sets, report control blocks, data, commands and changes of a configuration. */
#include <stdio.h>
#include <stdlib.h>

#include "device-runners/iec61850/conf.h"
#include "protocols/iec61850/report.h"

enum { PATH = 128 };

const char *const conf_part_names[] = { "value", "quality", "timestamp", "selected", NULL };

static const char *
text_of(const struct json *conf, const char *key)
{
	const char *text = json_str(json_get(conf, key));

	return text ? text : "";
}

/* A segment of an event type is none of the patterns that stand for any. */
static bool
is_pattern(const char *name)
{
	return strcmp(name, "*") == 0 || strcmp(name, "?") == 0;
}

/* Names that MMS has room for, one of their longest attribute included. */
static int
check_lengths(struct runner *r, const char *path, const char *domain, const char *item)
{
	if (strlen(domain) <= REFERENCE_MAX_DOMAIN &&
	    strlen(item) + sizeof("$RptEna") - 1 <= REFERENCE_MAX_ITEM)
		return 0;
	runner_config_error(r, path, "expected at most 64 characters of device, 122 of the rest");
	return 1;
}

/* --- Data sets --- */

static char *
dataset_text(struct runner *r, const struct json *ref)
{
	if (json_str(ref))
		return reference_text(r, "@%s", json_str(ref));
	return reference_text(r, "%s/%s$%s", text_of(ref, "logical_device"),
	    text_of(ref, "logical_node"), text_of(ref, "name"));
}

static int
load_members(struct conf_dataset *d, struct conf *c, struct runner *r, const struct json *values,
    size_t index)
{
	int errors = 0;
	char path[PATH];

	d->members = runner_alloc(r, values->count + 1, sizeof(*d->members));
	json_foreach (value, values) {
		snprintf(path, sizeof(path), "datasets[%zu].values[%zu]", index, d->count);
		errors += reference_load(&d->members[d->count++].ref, c->types, r, path, value);
	}
	return errors;
}

static int
load_dataset(struct conf *c, struct runner *r, const struct json *conf, size_t index)
{
	struct conf_dataset *d = &c->datasets[c->dataset_count++];
	const struct json *ref = json_get(conf, "ref");
	char path[PATH];
	int errors = 0;

	d->text = dataset_text(r, ref);
	if (json_str(ref)) {
		d->item = reference_text(r, "%s", json_str(ref));
	} else {
		d->domain = reference_text(r, "%s", text_of(ref, "logical_device"));
		d->item =
		    reference_text(r, "%s$%s", text_of(ref, "logical_node"), text_of(ref, "name"));
	}
	snprintf(path, sizeof(path), "datasets[%zu].ref", index);
	if ((ref->type != JSON_STRING && ref->type != JSON_OBJECT) || !*d->item ||
	    strlen(d->item) > REFERENCE_MAX_ITEM ||
	    (d->domain && (!*d->domain || strlen(d->domain) > REFERENCE_MAX_DOMAIN))) {
		runner_config_error(
		    r, path, "expected a name, or logical_device, logical_node and name");
		errors++;
	}
	for (size_t i = 0; i + 1 < c->dataset_count; i++)
		if (strcmp(c->datasets[i].text, d->text) == 0) {
			runner_config_error(r, path, "the data set %s is there twice", d->text);
			errors++;
		}
	d->dynamic = json_is_true(json_get(conf, "dynamic"));
	d->replace = json_is_true(json_get(conf, "replace"));
	return errors + load_members(d, c, r, json_get(conf, "values"), index);
}

static int
by_reference(const void *a, const void *b)
{
	const struct conf_member *const *m = a, *const *n = b;

	return reference_compare(&(*m)->ref, &(*n)->ref);
}

/* Data that is the same in several data sets becomes one point. */
static void
make_points(struct conf *c, struct runner *r)
{
	size_t count = 0, n = 0;

	for (size_t i = 0; i < c->dataset_count; i++)
		count += c->datasets[i].count;
	struct conf_member **all = runner_alloc(r, count + 1, sizeof(struct conf_member *));
	for (size_t i = 0; i < c->dataset_count; i++)
		for (size_t j = 0; j < c->datasets[i].count; j++)
			all[n++] = &c->datasets[i].members[j];
	qsort(all, count, sizeof(*all), by_reference);
	c->points = runner_alloc(r, count + 1, sizeof(*c->points));
	for (size_t i = 0; i < count; i++) {
		if (i == 0 || by_reference(&all[i - 1], &all[i]) != 0)
			c->points[c->point_count++].ref = &all[i]->ref;
		all[i]->point = &c->points[c->point_count - 1];
	}
	free(all);
}

static const struct conf_dataset *
find_dataset(const struct conf *c, struct runner *r, const struct json *ref)
{
	const struct conf_dataset *found = NULL;
	char *text = dataset_text(r, ref);

	for (size_t i = 0; i < c->dataset_count; i++)
		if (strcmp(c->datasets[i].text, text) == 0)
			found = &c->datasets[i];
	free(text);
	return found;
}

/* --- Report control blocks --- */

static char *
rcb_item(struct runner *r, const struct json *ref)
{
	bool buffered = strcmp(text_of(ref, "type"), "BUFFERED") == 0;

	return reference_text(r, "%s$%s$%s", text_of(ref, "logical_node"), buffered ? "BR" : "RP",
	    text_of(ref, "name"));
}

/* Bit 1 is the first name's. */
static bool
load_bits(const struct json *list, const char *const names[], uint32_t *bits)
{
	if (!list)
		return false;
	json_foreach (item, list) {
		int n = json_enum(item, names);
		*bits |= n >= 0 ? UINT32_C(2) << n : 0;
	}
	return true;
}

static int
load_rcb(struct conf *c, struct runner *r, const struct json *conf, size_t index)
{
	struct conf_rcb *rcb = &c->rcbs[c->rcb_count++];
	const struct json *ref = json_get(conf, "ref");
	char path[PATH];

	rcb->domain = reference_text(r, "%s", text_of(ref, "logical_device"));
	rcb->item = rcb_item(r, ref);
	rcb->buffered = strcmp(text_of(ref, "type"), "BUFFERED") == 0;
	rcb->report_id = reference_text(r, "%s", text_of(conf, "report_id"));
	rcb->id = *rcb->report_id ? reference_text(r, "%s", rcb->report_id)
				  : reference_text(r, "%s/%s", rcb->domain, rcb->item);
	rcb->has_triggers =
	    load_bits(json_get(conf, "trigger_options"), iec61850_reason_names, &rcb->triggers);
	rcb->has_optional =
	    load_bits(json_get(conf, "optional_fields"), iec61850_option_names, &rcb->optional);
	rcb->has_revision =
	    json_int(json_get(conf, "conf_revision"), 0, UINT32_MAX, &rcb->revision);
	rcb->has_buffer_time =
	    json_int(json_get(conf, "buffer_time"), 0, UINT32_MAX, &rcb->buffer_time);
	rcb->has_integrity =
	    json_int(json_get(conf, "integrity_period"), 0, UINT32_MAX, &rcb->integrity);
	rcb->has_reservation =
	    json_int(json_get(conf, "reservation_time"), -1, INT16_MAX, &rcb->reservation);
	rcb->purge = json_is_true(json_get(conf, "purge_buffer"));
	rcb->dataset = find_dataset(c, r, json_get(conf, "dataset"));
	snprintf(path, sizeof(path), "rcbs[%zu].ref", index);
	int errors = check_lengths(r, path, rcb->domain, rcb->item);
	snprintf(path, sizeof(path), "rcbs[%zu].dataset", index);
	if (rcb->dataset && rcb->buffered && !rcb->dataset->domain)
		runner_config_warning(r, path,
		    "%s ends with the association, which a buffered block outlives: servers may "
		    "refuse it",
		    rcb->dataset->text);
	if (rcb->dataset)
		return errors;
	runner_config_error(r, path, "datasets has none of that name");
	return errors + 1;
}

static int
check_ids(const struct conf *c, struct runner *r)
{
	char path[PATH];
	int errors = 0;

	for (size_t i = 0; i < c->rcb_count; i++) {
		snprintf(path, sizeof(path), "rcbs[%zu].report_id", i);
		if (is_pattern(c->rcbs[i].id)) {
			runner_config_error(r, path, "expected another name than * and ?");
			errors++;
		}
		for (size_t j = 0; j < i; j++)
			if (strcmp(c->rcbs[i].id, c->rcbs[j].id) == 0) {
				runner_config_error(
				    r, path, "rcbs[%zu] has the same: %s", j, c->rcbs[i].id);
				errors++;
			}
	}
	return errors;
}

static const struct conf_rcb *
find_rcb(const struct conf *c, struct runner *r, const struct json *ref)
{
	const struct conf_rcb *found = NULL;
	char *item = rcb_item(r, ref);

	for (size_t i = 0; i < c->rcb_count; i++)
		if (strcmp(c->rcbs[i].domain, text_of(ref, "logical_device")) == 0 &&
		    strcmp(c->rcbs[i].item, item) == 0)
			found = &c->rcbs[i];
	free(item);
	return found;
}

/* --- Data --- */

static void
add_link(struct runner *r, struct conf_point *point, struct conf_link link)
{
	const struct conf_link *last = point->count ? &point->links[point->count - 1] : NULL;

	if (last && last->data == link.data && last->part == link.part)
		return;
	/* Grows by powers of two. */
	if ((point->count & (point->count - 1)) == 0) {
		size_t size = point->count ? 2 * point->count : 1;
		point->links = reallocarray(point->links, size, sizeof(link));
		if (!point->links)
			runner_fail(r, "out of memory");
	}
	point->links[point->count++] = link;
}

/* Links the data to the members of its data set that bring something of it; how many there are. */
static size_t
link_part(struct runner *r, const struct conf_data *d, uint32_t index, enum conf_part part)
{
	const struct conf_dataset *set = d->rcb->dataset;
	size_t links = 0;

	for (size_t i = 0; i < set->count; i++) {
		enum reference_relation how =
		    reference_relate(&d->parts[part], &set->members[i].ref);
		if (how == REFERENCE_APART)
			continue;
		add_link(r, set->members[i].point,
		    (struct conf_link){
			.data = index, .part = part, .whole = how == REFERENCE_INSIDE });
		links++;
	}
	return links;
}

static int
check_part(const struct conf_data *d, struct runner *r, enum conf_part part, const char *path)
{
	static const enum iec61850_kind kinds[CONF_PARTS] = { [CONF_QUALITY] = IEC61850_QUALITY,
		[CONF_TIMESTAMP] = IEC61850_TIMESTAMP,
		[CONF_SELECTED] = IEC61850_BOOLEAN };

	if (part == CONF_VALUE || d->parts[part].type->kind == kinds[part])
		return 0;
	runner_config_error(
	    r, path, "%s is not of type %s", d->parts[part].item, iec61850_kind_name(kinds[part]));
	return 1;
}

static int
load_data(struct conf *c, struct runner *r, const struct json *conf, size_t index)
{
	struct conf_data *d = &c->data[c->data_count++];
	char path[PATH];
	int errors = 0;

	const char *name = text_of(conf, "name");
	d->name = types_text(c->types, r, name, strlen(name));
	d->rcb = find_rcb(c, r, json_get(conf, "rcb"));
	if (!d->rcb) {
		snprintf(path, sizeof(path), "data[%zu].rcb", index);
		runner_config_error(r, path, "rcbs has none of that name");
		errors++;
	}
	for (int part = 0; part < CONF_PARTS; part++) {
		const struct json *ref = json_get(conf, conf_part_names[part]);
		if (!ref)
			continue;
		snprintf(path, sizeof(path), "data[%zu].%s", index, conf_part_names[part]);
		int wrong = reference_load(&d->parts[part], c->types, r, path, ref);
		wrong += wrong ? 0 : check_part(d, r, (enum conf_part)part, path);
		errors += wrong;
		if (wrong == 0 && d->rcb && d->rcb->dataset &&
		    link_part(r, d, (uint32_t)index, (enum conf_part)part) == 0)
			runner_config_warning(
			    r, path, "the data set %s brings nothing of it", d->rcb->dataset->text);
	}
	return errors;
}

/* --- Commands and changes --- */

static int
load_command(struct conf *c, struct runner *r, const struct json *conf, size_t index)
{
	static const char *const models[] = { [MODEL_DIRECT] = "DIRECT_WITH_NORMAL_SECURITY",
		[MODEL_SBO] = "SBO_WITH_NORMAL_SECURITY",
		[MODEL_DIRECT_ENHANCED] = "DIRECT_WITH_ENHANCED_SECURITY",
		[MODEL_SBO_ENHANCED] = "SBO_WITH_ENHANCED_SECURITY",
		NULL };
	static const struct iec61850_step steps[] = { { .name = "Oper" }, { .name = "ctlVal" } };
	struct conf_command *command = &c->commands[c->command_count++];
	const struct json *ref = json_get(conf, "ref");
	char path[PATH];

	command->name = reference_text(r, "%s", text_of(conf, "name"));
	command->domain = reference_text(r, "%s", text_of(ref, "logical_device"));
	command->item =
	    reference_text(r, "%s$CO$%s", text_of(ref, "logical_node"), text_of(ref, "name"));
	command->model = (enum conf_model)json_enum(json_get(conf, "model"), models);
	command->operate_time = json_is_true(json_get(conf, "with_operate_time"));
	const struct iec61850_type *type = types_find(c->types, command->domain, command->item);
	command->type = type ? iec61850_type_at(type, steps, 2) : NULL;
	snprintf(path, sizeof(path), "commands[%zu].ref", index);
	if (command->type)
		return check_lengths(r, path, command->domain, command->item);
	runner_config_error(
	    r, path, "value_types has no Oper.ctlVal of %s/%s", command->domain, command->item);
	return 1;
}

static int
load_change(struct conf *c, struct runner *r, const struct json *conf, size_t index)
{
	struct conf_change *change = &c->changes[c->change_count++];
	char path[PATH];

	snprintf(path, sizeof(path), "changes[%zu].ref", index);
	change->name = reference_text(r, "%s", text_of(conf, "name"));
	return reference_load(&change->ref, c->types, r, path, json_get(conf, "ref"));
}

static int
by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int
check_names(struct runner *r, const struct json *list, const char *key)
{
	const char **names = runner_alloc(r, list->count + 1, sizeof(*names));
	size_t n = 0;
	int errors = 0;

	json_foreach (item, list)
		names[n++] = text_of(item, "name");
	qsort(names, n, sizeof(*names), by_text);
	for (size_t i = 0; i < n; i++) {
		if (is_pattern(names[i])) {
			runner_config_error(r, key, "expected another name than * and ?");
			errors++;
		}
		if (i > 0 && strcmp(names[i - 1], names[i]) == 0) {
			runner_config_error(r, key, "the name %s is there twice", names[i]);
			errors++;
		}
	}
	free(names);
	return errors;
}

/* --- The whole --- */

typedef int load_one(struct conf *c, struct runner *r, const struct json *conf, size_t index);

static int
load_list(struct conf *c, struct runner *r, const struct json *list, load_one *load)
{
	size_t index = 0;
	int errors = 0;

	json_foreach (item, list)
		errors += load(c, r, item, index++);
	return errors;
}

int
conf_load_model(struct conf *c, struct runner *r, const struct json *conf)
{
	const struct json *datasets = json_get(conf, "datasets"), *rcbs = json_get(conf, "rcbs"),
			  *data = json_get(conf, "data"), *commands = json_get(conf, "commands"),
			  *changes = json_get(conf, "changes");

	c->datasets = runner_alloc(r, datasets->count + 1, sizeof(*c->datasets));
	c->rcbs = runner_alloc(r, rcbs->count + 1, sizeof(*c->rcbs));
	c->data = runner_alloc(r, data->count + 1, sizeof(*c->data));
	c->commands = runner_alloc(r, commands->count + 1, sizeof(*c->commands));
	c->changes = runner_alloc(r, changes->count + 1, sizeof(*c->changes));
	int errors = load_list(c, r, datasets, load_dataset);
	if (errors == 0)
		make_points(c, r);
	errors += load_list(c, r, rcbs, load_rcb) + check_ids(c, r);
	if (errors == 0)
		errors += load_list(c, r, data, load_data);
	return errors + load_list(c, r, commands, load_command) +
	       load_list(c, r, changes, load_change) + check_names(r, data, "data") +
	       check_names(r, commands, "commands") + check_names(r, changes, "changes");
}

static void
clear_dataset(struct conf_dataset *d)
{
	free(d->members);
	free(d->domain);
	free(d->item);
	free(d->text);
}

static void
clear_rcb(struct conf_rcb *rcb)
{
	free(rcb->domain);
	free(rcb->item);
	free(rcb->report_id);
	free(rcb->id);
}

static void
clear_requests(struct conf *c)
{
	for (size_t i = 0; i < c->command_count; i++) {
		free(c->commands[i].name);
		free(c->commands[i].domain);
		free(c->commands[i].item);
	}
	for (size_t i = 0; i < c->change_count; i++)
		free(c->changes[i].name);
	free(c->commands);
	free(c->changes);
}

void
conf_clear_model(struct conf *c)
{
	for (size_t i = 0; i < c->dataset_count; i++)
		clear_dataset(&c->datasets[i]);
	for (size_t i = 0; i < c->point_count; i++)
		free(c->points[i].links);
	for (size_t i = 0; i < c->rcb_count; i++)
		clear_rcb(&c->rcbs[i]);
	free(c->datasets);
	free(c->points);
	free(c->rcbs);
	free(c->data);
	clear_requests(c);
}
