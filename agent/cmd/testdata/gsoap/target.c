/* A WS-Discovery 1.1 target made of gSOAP's own plugin, which writes and reads all messages: a peer for tests.
 * usage: target 4|6 INTERFACE EPR TYPE XADDR
 * It answers in one IP version, and tells its address only to a Resolve, as the standard allows. */
#include "soapH.h"
#include "wsddapi.h"
#include "wsdd.nsmap"
#include <net/if.h>

struct target {
	const char *epr, *type, *xaddr;
};

/* back is where a request came from. */
static const char *back(struct soap *soap)
{
	char host[64], port[8];
	char *url = soap_malloc(soap, 96);
	if (getnameinfo((struct sockaddr *)&soap->peer, soap->peerlen, host, sizeof host, port, sizeof port,
	                NI_DGRAM | NI_NUMERICHOST | NI_NUMERICSERV))
		return NULL;
	snprintf(url, 96, strchr(host, ':') ? "soap.udp://[%s]:%s" : "soap.udp://%s:%s", host, port);
	return url;
}

/* join makes the target's socket hear the group of its IP version. */
static int join(int socket, int version, const char *interface)
{
	struct ip_mreqn four = {.imr_ifindex = if_nametoindex(interface)};
	struct ipv6_mreq six = {.ipv6mr_interface = if_nametoindex(interface)};
	inet_pton(AF_INET, "239.255.255.250", &four.imr_multiaddr);
	inet_pton(AF_INET6, "ff02::c", &six.ipv6mr_multiaddr);
	return version == 4 ? setsockopt(socket, IPPROTO_IP, IP_ADD_MEMBERSHIP, &four, sizeof four)
	                    : setsockopt(socket, IPPROTO_IPV6, IPV6_JOIN_GROUP, &six, sizeof six);
}

/* answered releases the context of an answer, and says on the error log what went wrong. */
static void answered(struct soap *out)
{
	if (out->error)
		soap_print_fault(out, stderr);
	soap_destroy(out);
	soap_end(out);
	soap_free(out);
}

static struct soap *context(void)
{
	struct soap *out = soap_new1(SOAP_IO_UDP);
	soap_set_namespaces(out, namespaces);
	soap_register_plugin(out, soap_wsa);
	return out;
}

soap_wsdd_mode wsdd_event_Probe(struct soap *soap, const char *id, const char *reply_to, const char *types,
                                const char *scopes, const char *match_by, struct wsdd__ProbeMatchesType *matches)
{
	struct target *me = soap->user;
	struct wsdd__ProbeMatchesType found;
	struct soap *out = context();
	soap_default_wsdd__ProbeMatchesType(out, &found);
	soap_wsdd_init_ProbeMatches(out, &found);
	soap_wsdd_add_ProbeMatch(out, &found, me->epr, me->type, NULL, NULL, NULL, 1);
	soap_wsdd_ProbeMatches(out, back(soap), soap_wsa_rand_uuid(out), id, NULL, &found);
	answered(out);
	return SOAP_WSDD_ADHOC;
}

soap_wsdd_mode wsdd_event_Resolve(struct soap *soap, const char *id, const char *reply_to, const char *epr,
                                  struct wsdd__ResolveMatchType *match)
{
	struct target *me = soap->user;
	struct soap *out;
	if (!epr || strcmp(epr, me->epr))
		return SOAP_WSDD_ADHOC;
	out = context();
	soap_wsdd_ResolveMatches(out, back(soap), soap_wsa_rand_uuid(out), id, NULL, me->epr, me->type, NULL, NULL, me->xaddr, 1);
	answered(out);
	return SOAP_WSDD_ADHOC;
}

/* What only a client needs. */
void wsdd_event_Hello(struct soap *soap, unsigned int instance, const char *sequence, unsigned int number, const char *id,
                      const char *relates, const char *epr, const char *types, const char *scopes, const char *match_by,
                      const char *xaddrs, unsigned int version) {}
void wsdd_event_Bye(struct soap *soap, unsigned int instance, const char *sequence, unsigned int number, const char *id,
                    const char *relates, const char *epr, const char *types, const char *scopes, const char *match_by,
                    const char *xaddrs, unsigned int *version) {}
void wsdd_event_ProbeMatches(struct soap *soap, unsigned int instance, const char *sequence, unsigned int number,
                             const char *id, const char *relates, struct wsdd__ProbeMatchesType *matches) {}
void wsdd_event_ResolveMatches(struct soap *soap, unsigned int instance, const char *sequence, unsigned int number,
                               const char *id, const char *relates, struct wsdd__ResolveMatchType *match) {}
int SOAP_ENV__Fault(struct soap *soap, char *code, char *string, char *actor, struct SOAP_ENV__Detail *detail,
                    struct SOAP_ENV__Code *c, struct SOAP_ENV__Reason *reason, char *node, char *role,
                    struct SOAP_ENV__Detail *d) { return SOAP_OK; }

int main(int argc, char **argv)
{
	if (argc != 6)
		return 2;
	int version = atoi(argv[1]);
	struct target me = {argv[3], argv[4], argv[5]};
	struct soap *soap = context();
	soap->user = &me;
	soap->bind_flags = SO_REUSEADDR;
	if (!soap_valid_socket(soap_bind(soap, version == 4 ? "0.0.0.0" : "::", 3702, 100))) {
		soap_print_fault(soap, stderr);
		return 1;
	}
	if (join(soap->master, version, argv[2])) {
		perror("joining the group");
		return 1;
	}
	puts("ready");
	fflush(stdout);
	for (;;)
		if (soap_wsdd_listen(soap, 3600))
			soap_print_fault(soap, stderr); /* one bad datagram is not the end */
}
