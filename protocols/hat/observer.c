#include "protocols/hat/observer.h"

#include "common/json.h"

enum {
	MIN_COMPONENT = 10,    /* bytes of the shortest ComponentInfo */
	DATA_MAX_NODES = 1024, /* values in a component's data */
};

static const char *const msg_names[] = {
	[OBSERVER_CLIENT] = "HatObserver.MsgClient",
	[OBSERVER_SERVER] = "HatObserver.MsgServer",
	[OBSERVER_CLOSE] = "HatObserver.MsgClose",
};

const char *
observer_msg_name(enum observer_msg msg)
{
	return msg_names[msg];
}

int
observer_msg_parse(struct sbs_str type)
{
	for (int i = 0; i < OBSERVER_MSG_COUNT; i++)
		if (sbs_str_eq(type, sbs_str(msg_names[i])))
			return i;
	return -1;
}

bool
observer_token_agree(struct observer_token a, struct observer_token b)
{
	return a.set && b.set && a.v == b.v;
}

static bool
token_eq(struct observer_token a, struct observer_token b)
{
	return a.set == b.set && (!a.set || a.v == b.v);
}

static struct observer_token
get_token(struct cursor *c)
{
	struct observer_token t = { .set = sbs_get_optional(c) };

	if (t.set)
		t.v = sbs_get_int(c);
	return t;
}

static void
put_token(struct buffer *b, struct observer_token t)
{
	sbs_put_optional(b, t.set);
	if (t.set)
		sbs_put_int(b, t.v);
}

static bool
get_optional_str(struct cursor *c, struct sbs_str *s)
{
	bool set = sbs_get_optional(c);

	*s = set ? sbs_get_str(c) : (struct sbs_str){ 0 };
	return set;
}

static void
put_optional_str(struct buffer *b, bool set, struct sbs_str s)
{
	sbs_put_optional(b, set);
	if (set)
		sbs_put_str(b, s);
}

enum dec
observer_client_decode(struct sbs_str data, struct observer_client *client)
{
	struct cursor c = cursor_make(data.p, data.len);

	client->name = sbs_get_str(&c);
	client->group = sbs_get_str(&c);
	client->data = sbs_get_str(&c);
	client->token = get_token(&c);
	client->ready = sbs_get_bool(&c);
	return cursor_done(&c) ? DEC_OK : DEC_BAD;
}

void
observer_put_client(struct buffer *b, const struct observer_client *client)
{
	sbs_put_str(b, client->name);
	sbs_put_str(b, client->group);
	sbs_put_str(b, client->data);
	put_token(b, client->token);
	sbs_put_bool(b, client->ready);
}

int64_t
observer_send_client(struct chatter *c, const struct observer_client *client)
{
	observer_put_client(chatter_scratch(c), client);
	return chatter_send_scratch(c, NULL, msg_names[OBSERVER_CLIENT], true);
}

enum dec
observer_server_decode(struct sbs_str data, struct observer_server *server)
{
	struct cursor c = cursor_make(data.p, data.len);

	server->cid = sbs_get_int(&c);
	server->mid = sbs_get_int(&c);
	server->count = sbs_get_count(&c, MIN_COMPONENT);
	server->components = c;
	return cursor_ok(&c) ? DEC_OK : DEC_BAD;
}

bool
observer_component_next(struct observer_server *server, struct observer_component *component)
{
	struct cursor *c = &server->components;

	if (server->count == 0)
		return false;
	component->cid = sbs_get_int(c);
	component->mid = sbs_get_int(c);
	component->has_name = get_optional_str(c, &component->name);
	component->has_group = get_optional_str(c, &component->group);
	component->data = sbs_get_str(c);
	component->rank = sbs_get_int(c);
	component->req_token = get_token(c);
	component->has_timestamp = sbs_get_optional(c);
	component->timestamp = component->has_timestamp ? sbs_get_float(c) : 0;
	component->res_token = get_token(c);
	component->ready = sbs_get_bool(c);
	if (!cursor_ok(c))
		return false;
	server->count--;
	return true;
}

enum dec
observer_server_end(const struct observer_server *server)
{
	return server->count == 0 && cursor_done(&server->components) ? DEC_OK : DEC_BAD;
}

void
observer_put_component(struct buffer *b, const struct observer_component *component)
{
	sbs_put_int(b, component->cid);
	sbs_put_int(b, component->mid);
	put_optional_str(b, component->has_name, component->name);
	put_optional_str(b, component->has_group, component->group);
	sbs_put_str(b, component->data);
	sbs_put_int(b, component->rank);
	put_token(b, component->req_token);
	sbs_put_optional(b, component->has_timestamp);
	if (component->has_timestamp)
		sbs_put_float(b, component->timestamp);
	put_token(b, component->res_token);
	sbs_put_bool(b, component->ready);
}

bool
observer_event_server_eq(
    const struct observer_event_server *a, const struct observer_event_server *b)
{
	if (!a->found || !b->found)
		return a->found == b->found;
	return a->server_id == b->server_id && a->port == b->port &&
	       strcmp(a->host, b->host) == 0 && a->has_token == b->has_token &&
	       strcmp(a->token, b->token) == 0;
}

/* Copies a string without NULs that fits. */
static bool
copy_text(const struct json *j, char *to, size_t size)
{
	const char *text = json_str(j);

	if (!text || j->len >= size)
		return false;
	memcpy(to, text, j->len + 1);
	return true;
}

static bool
read_event_server(const struct json *data, struct observer_event_server *es)
{
	const struct json *address = json_get(data, "eventer_server");
	const struct json *token = json_get(data, "server_token");
	int64_t port;

	*es = (struct observer_event_server){ 0 };
	if (!json_int(json_get(data, "server_id"), INT64_MIN, INT64_MAX, &es->server_id) ||
	    !json_int(json_get(address, "port"), 1, UINT16_MAX, &port) ||
	    !copy_text(json_get(address, "host"), es->host, sizeof(es->host)))
		return false;
	es->port = (uint16_t)port;
	es->has_token = token && token->type != JSON_NULL;
	return !es->has_token || copy_text(token, es->token, sizeof(es->token));
}

/* The address in an active Event Server's component; found only where it can be used. */
static enum observer_lack
find_event_server(const struct observer *o, struct sbs_str data, struct observer_event_server *es)
{
	char err[80];
	struct json_doc *doc = NULL;
	enum observer_lack lack = OBSERVER_LACKS_NOTHING;

	if (data.len <= OBSERVER_MAX_DATA)
		doc = json_parse(data.p, data.len, DATA_MAX_NODES, err, sizeof(err));
	if (!doc || !read_event_server(json_root(doc), es))
		lack = OBSERVER_LACKS_ADDRESS;
	else if (o->client_token && !(es->has_token && strcmp(es->token, o->client_token) == 0))
		lack = OBSERVER_LACKS_TOKEN;
	json_free(doc);
	if (lack != OBSERVER_LACKS_NOTHING)
		*es = (struct observer_event_server){ 0 };
	es->found = lack == OBSERVER_LACKS_NOTHING;
	return lack;
}

void
observer_init(struct observer *o, const char *event_group, const char *client_token)
{
	*o = (struct observer){ .event_group = event_group,
		.client_token = client_token,
		.lack = OBSERVER_LACKS_SERVER };
}

/* The first component whose blessing agrees counts, usable or not: there is one active server. */
static enum dec
survey(const struct observer *o, struct sbs_str data, struct observer *seen)
{
	struct observer_server server;
	struct observer_component component;
	struct sbs_str active = { 0 };
	bool has_active = false;

	if (observer_server_decode(data, &server) != DEC_OK)
		return DEC_BAD;
	while (observer_component_next(&server, &component)) {
		if (!seen->known && component.cid == server.cid && component.mid == server.mid) {
			seen->known = true;
			seen->req_token = component.req_token;
			seen->echo_token = component.res_token;
		}
		if (!has_active && o->event_group && component.has_group &&
		    sbs_str_eq(component.group, sbs_str(o->event_group)) &&
		    observer_token_agree(component.req_token, component.res_token)) {
			has_active = true;
			active = component.data;
		}
	}
	seen->lack =
	    has_active ? find_event_server(o, active, &seen->event_server) : OBSERVER_LACKS_SERVER;
	return observer_server_end(&server);
}

/* Whether res_token changed. */
static bool
bless(struct observer *o)
{
	struct observer_token none = { 0 }, before = o->res_token;

	if (o->active && !(o->ready && observer_token_agree(o->req_token, o->res_token))) {
		o->active = false;
		o->releasing = true;
	}
	if (o->active || o->releasing)
		return false;
	o->res_token = o->ready ? o->req_token : none;
	o->active = observer_token_agree(o->req_token, o->res_token) &&
		    observer_token_agree(o->echo_token, o->res_token);
	return !token_eq(before, o->res_token);
}

enum dec
observer_update(struct observer *o, struct sbs_str data, bool *answer)
{
	struct observer seen = { 0 };

	*answer = false;
	if (survey(o, data, &seen) != DEC_OK)
		return DEC_BAD;
	o->known = seen.known;
	o->req_token = seen.req_token;
	o->echo_token = seen.echo_token;
	o->event_server = seen.event_server;
	o->lack = seen.lack;
	*answer = bless(o);
	return DEC_OK;
}

bool
observer_set_ready(struct observer *o, bool ready)
{
	bool changed = o->ready != ready;

	o->ready = ready;
	bless(o);
	return changed;
}

bool
observer_release(struct observer *o)
{
	if (!o->releasing)
		return false;
	o->releasing = false;
	o->res_token.set = false;
	return true;
}
