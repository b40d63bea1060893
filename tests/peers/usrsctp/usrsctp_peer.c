/*
 * A peer for tests: one SCTP association of usrsctp over UDP on loopback. Each datagram is one whole
 * SCTP packet, as each record is under DTLS; its CRC32c is sent and checked.
 *
 *     usrsctp_peer listen|connect UDP_PORT [interleaving]
 *
 * UDP_PORT is the other end's; 0 is whoever sends first. `interleaving` offers I-DATA (RFC 8260).
 * What happens is printed as one JSON object a line, the first of which tells this end's UDP port.
 * Each line of input is a command:
 *
 *     echo                              return each message from now on, on its stream, with its PPID
 *     send SEED LENGTH STREAM_COUNT     send so many bytes, in messages of 1 byte to 256 KiB, those of
 *                                       odd streams unordered; print "sent", with a tally
 *     receive LENGTH                    print "received", with a tally, once so many bytes have come
 *     pause, resume                     stop reading, so that the receive window fills; go on
 *     reset STREAM                      reset the outgoing stream, after what was sent before
 *     shutdown                          end in order, after what was sent before
 *     abort REASON                      end at once
 *
 * A tally has for each stream: how many messages, how many bytes, and over the digests of the
 * messages a chain, which their order changes, and a sum, which it does not. It starts anew once
 * printed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <usrsctp.h>

/* usrsctp 0.9.5 knows this option (RFC 8260, section 4.3.1), but usrsctp.h does not name it. */
#ifndef SCTP_INTERLEAVING_SUPPORTED
#define SCTP_INTERLEAVING_SUPPORTED 0x00001206
#endif
/* RFC 6458, section 8.1.20: messages of different streams may be delivered in parts by turns. */
#define INTERLEAVE_STREAMS 2

#define SCTP_PORT 5000
#define STREAM_COUNT 256
#define MAX_MESSAGE_LENGTH (256 * 1024)
/* An echo reads no more while so much waits to be sent, in bytes. */
#define MAX_QUEUED_LENGTH (1024 * 1024)
#define SEND_BUFFER_LENGTH (1024 * 1024)
/*
 * Unordered messages of I-DATA may come to a stop in usrsctp 0.9.5 once it delivers one in part, as it
 * does where the receive buffer is short of space. A buffer of 1 MiB is too small.
 */
#define RECEIVE_BUFFER_LENGTH (4 * 1024 * 1024)
#define UDP_BUFFER_LENGTH (4 * 1024 * 1024)
#define MAX_RETRANSMISSIONS 100
#define TICK_MS 10
#define FNV_BASIS 0xcbf29ce484222325u
#define FNV_PRIME 0x100000001b3u

struct tally {
	uint64_t count, length, chain, sum;
};

/* A message of which not all has come. Ordered and unordered ones may come by turns. */
struct partial {
	uint8_t *bytes;
	size_t length;
};

struct stream {
	struct tally sent, received;
	struct partial partial[2];
};

/* A message that waits to be sent. */
struct outgoing {
	struct outgoing *next;
	size_t length;
	uint32_t ppid;
	uint16_t stream, flags;
	uint8_t bytes[];
};

static int udp;
static struct sockaddr_in remote;
static struct socket *sctp;
static sctp_assoc_t association;
static struct stream streams[STREAM_COUNT];
static struct outgoing *queue_head, **queue_tail = &queue_head;
static size_t queued_length;
static bool is_echoing, is_paused, is_ending;
/* Of `send`: the generator, what is left, and how many streams take part. */
static uint32_t random_state;
static uint64_t left_to_send;
static uint16_t sending_stream_count;
/* Of `receive`: what is to come, and what has. */
static uint64_t awaited_length, received_length;

static void fail(const char *what)
{
	printf("{\"event\":\"failed\",\"what\":\"%s\",\"error\":\"%s\"}\n", what, strerror(errno));
	exit(EXIT_FAILURE);
}

static uint64_t fnv(uint64_t hash, const uint8_t *bytes, size_t length)
{
	for (size_t at = 0; at < length; at++)
		hash = (hash ^ bytes[at]) * FNV_PRIME;
	return hash;
}

static void add_to(struct tally *tally, uint32_t ppid, const uint8_t *bytes, size_t length)
{
	const uint8_t header[] = {ppid >> 24, ppid >> 16, ppid >> 8, ppid};
	uint64_t digest = fnv(fnv(FNV_BASIS, header, sizeof header), bytes, length);
	tally->count++;
	tally->length += length;
	tally->chain = (tally->chain ^ digest) * FNV_PRIME;
	tally->sum += digest;
}

static void print_tallies(const char *event, bool is_sent)
{
	const char *separator = "";
	printf("{\"event\":\"%s\",\"streams\":[", event);
	for (int id = 0; id < STREAM_COUNT; id++) {
		struct tally *tally = is_sent ? &streams[id].sent : &streams[id].received;
		if (tally->count == 0)
			continue;
		printf("%s{\"id\":%d,\"count\":%" PRIu64 ",\"length\":%" PRIu64
		       ",\"chain\":\"%016" PRIx64 "\",\"sum\":\"%016" PRIx64 "\"}",
		       separator, id, tally->count, tally->length, tally->chain, tally->sum);
		separator = ",";
		memset(tally, 0, sizeof *tally);
	}
	printf("]}\n");
}

/* Sending. */

static struct outgoing *enqueue(uint16_t stream, uint32_t ppid, uint16_t flags, size_t length)
{
	struct outgoing *message = calloc(1, sizeof *message + length);
	if (message == NULL)
		fail("calloc");
	message->length = length;
	message->ppid = ppid;
	message->stream = stream;
	message->flags = flags;
	*queue_tail = message;
	queue_tail = &message->next;
	queued_length += length;
	return message;
}

static bool send_message(const struct outgoing *message)
{
	struct sctp_sndinfo info = {
		.snd_sid = message->stream,
		.snd_flags = message->flags,
		.snd_ppid = htonl(message->ppid),
		.snd_assoc_id = association,
	};
	if (usrsctp_sendv(sctp, message->bytes, message->length, NULL, 0, &info, sizeof info,
	                  SCTP_SENDV_SNDINFO, 0) >= 0)
		return true;
	if (errno != EWOULDBLOCK && errno != EAGAIN)
		fail("usrsctp_sendv");
	return false;
}

static uint32_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 17;
	random_state ^= random_state << 5;
	return random_state;
}

/* Small messages are many, long ones few; the longest comes now and then. */
static size_t next_length(void)
{
	static const uint32_t limits[] = {4, 100, 1200, 3000, 16384, 65536, MAX_MESSAGE_LENGTH};
	uint32_t choice = next_random() % 8;
	size_t length = choice == 7 ? MAX_MESSAGE_LENGTH : 1 + next_random() % limits[choice];
	return length < left_to_send ? length : left_to_send;
}

static void enqueue_random(void)
{
	size_t length = next_length();
	uint16_t id = next_random() % sending_stream_count;
	struct outgoing *message =
		enqueue(id, next_random(), id % 2 == 1 ? SCTP_UNORDERED : 0, length);
	for (size_t at = 0; at < length; at++)
		message->bytes[at] = next_random() >> 24;
	add_to(&streams[id].sent, message->ppid, message->bytes, length);
	left_to_send -= length;
	if (left_to_send == 0)
		print_tallies("sent", true);
}

/* The end of the association, once all else has been sent. */
static void enqueue_end(void)
{
	enqueue(0, 0, SCTP_EOF, 0);
	is_ending = false;
}

static void flush_queue(void)
{
	for (;;) {
		if (queue_head == NULL && left_to_send > 0)
			enqueue_random();
		if (queue_head == NULL && is_ending)
			enqueue_end();
		struct outgoing *message = queue_head;
		if (message == NULL || association == 0 || !send_message(message))
			return;
		queue_head = message->next;
		if (queue_head == NULL)
			queue_tail = &queue_head;
		queued_length -= message->length;
		free(message);
	}
}

/* Receiving. */

static void take_message(uint16_t id, uint32_t ppid, uint16_t flags, const struct partial *message)
{
	add_to(&streams[id].received, ppid, message->bytes, message->length);
	received_length += message->length;
	if (is_echoing) {
		struct outgoing *echo = enqueue(id, ppid, flags, message->length);
		memcpy(echo->bytes, message->bytes, message->length);
	}
}

static void take_piece(const struct sctp_rcvinfo *info, const uint8_t *bytes, size_t length,
                       bool is_last)
{
	uint16_t flags = info->rcv_flags & SCTP_UNORDERED;
	if (info->rcv_sid >= STREAM_COUNT)
		fail("a stream beyond those that were offered");
	struct partial *partial = &streams[info->rcv_sid].partial[flags != 0];
	partial->bytes = realloc(partial->bytes, partial->length + length);
	if (partial->bytes == NULL)
		fail("realloc");
	memcpy(partial->bytes + partial->length, bytes, length);
	partial->length += length;
	if (!is_last)
		return;
	take_message(info->rcv_sid, ntohl(info->rcv_ppid), flags, partial);
	partial->length = 0;
}

static void print_up(const struct sctp_assoc_change *change)
{
	const char *interleaving = "false", *reconfiguration = "false", *partial = "false";
	for (size_t at = sizeof *change; at < change->sac_length; at++) {
		uint8_t supported = ((const uint8_t *)change)[at];
		if (supported == SCTP_ASSOC_SUPPORTS_INTERLEAVING)
			interleaving = "true";
		if (supported == SCTP_ASSOC_SUPPORTS_RE_CONFIG)
			reconfiguration = "true";
		if (supported == SCTP_ASSOC_SUPPORTS_PR)
			partial = "true";
	}
	printf("{\"event\":\"up\",\"incoming\":%u,\"outgoing\":%u,\"interleaving\":%s,"
	       "\"reconfiguration\":%s,\"partialReliability\":%s}\n",
	       change->sac_inbound_streams, change->sac_outbound_streams, interleaving,
	       reconfiguration, partial);
}

/* The ABORT chunk that came, if one did, is at the end of the notification. */
static void print_lost(const struct sctp_assoc_change *change)
{
	const size_t text_at = 8; /* after the headers of the chunk and of its first cause */
	const uint8_t *abort_chunk = change->sac_info;
	size_t length = change->sac_length - sizeof *change;
	printf("{\"event\":\"lost\",\"error\":%u,\"reason\":\"", change->sac_error);
	for (size_t at = text_at; at < length && abort_chunk[at] != 0; at++) {
		bool is_plain = abort_chunk[at] >= 0x20 && abort_chunk[at] < 0x7f &&
		                abort_chunk[at] != '"' && abort_chunk[at] != '\\';
		putchar(is_plain ? abort_chunk[at] : '?');
	}
	printf("\"}\n");
}

static void notify_association(const struct sctp_assoc_change *change)
{
	switch (change->sac_state) {
	case SCTP_COMM_UP:
		association = change->sac_assoc_id;
		print_up(change);
		return;
	case SCTP_RESTART:
		printf("{\"event\":\"restarted\"}\n");
		return;
	case SCTP_SHUTDOWN_COMP:
		printf("{\"event\":\"closed\"}\n");
		break;
	default:
		print_lost(change);
	}
	association = 0;
}

static void notify_reset(const struct sctp_stream_reset_event *reset)
{
	size_t count = (reset->strreset_length - sizeof *reset) / sizeof(uint16_t);
	const char *result = reset->strreset_flags & SCTP_STREAM_RESET_DENIED ? "denied"
	                     : reset->strreset_flags & SCTP_STREAM_RESET_FAILED ? "failed"
	                                                                        : "performed";
	bool is_incoming = (reset->strreset_flags & SCTP_STREAM_RESET_INCOMING_SSN) != 0;
	printf("{\"event\":\"reset\",\"direction\":\"%s\",\"result\":\"%s\",\"streams\":[",
	       is_incoming ? "incoming" : "outgoing", result);
	for (size_t at = 0; at < count; at++)
		printf("%s%u", at == 0 ? "" : ",", reset->strreset_stream_list[at]);
	printf("]}\n");
}

/* What has come of a message that the other end gave up goes. */
static void notify_partial_delivery(const struct sctp_pdapi_event *event)
{
	if (event->pdapi_stream < STREAM_COUNT)
		for (int at = 0; at < 2; at++)
			streams[event->pdapi_stream].partial[at].length = 0;
	printf("{\"event\":\"partial delivery aborted\",\"stream\":%u}\n", event->pdapi_stream);
}

static void notify(const union sctp_notification *notification)
{
	switch (notification->sn_header.sn_type) {
	case SCTP_ASSOC_CHANGE:
		notify_association(&notification->sn_assoc_change);
		break;
	case SCTP_STREAM_RESET_EVENT:
		notify_reset(&notification->sn_strreset_event);
		break;
	case SCTP_PARTIAL_DELIVERY_EVENT:
		notify_partial_delivery(&notification->sn_pdapi_event);
		break;
	case SCTP_SHUTDOWN_EVENT:
		printf("{\"event\":\"peer shuts down\"}\n");
		break;
	case SCTP_REMOTE_ERROR:
		printf("{\"event\":\"peer reports an error\",\"error\":%u}\n",
		       notification->sn_remote_error.sre_error);
		break;
	case SCTP_SEND_FAILED_EVENT:
		printf("{\"event\":\"send failed\",\"error\":%u}\n",
		       notification->sn_send_failed_event.ssfe_error);
		break;
	}
}

static bool read_piece(void)
{
	static uint8_t buffer[65536] __attribute__((aligned(8)));
	struct sctp_rcvinfo info;
	socklen_t info_length = sizeof info;
	unsigned int info_type;
	int flags = 0;
	ssize_t length = usrsctp_recvv(sctp, buffer, sizeof buffer, NULL, NULL, &info, &info_length,
	                               &info_type, &flags);
	if (length <= 0)
		return false;
	if (flags & MSG_NOTIFICATION)
		notify((const union sctp_notification *)buffer);
	else
		take_piece(&info, buffer, length, (flags & MSG_EOR) != 0);
	return true;
}

static void read_all(void)
{
	while (!is_paused && queued_length < MAX_QUEUED_LENGTH && read_piece()) {
	}
	if (awaited_length > 0 && received_length >= awaited_length) {
		print_tallies("received", false);
		awaited_length = received_length = 0;
	}
}

/* Commands. */

static void reset_stream(uint16_t stream)
{
	uint8_t bytes[sizeof(struct sctp_reset_streams) + sizeof(uint16_t)];
	struct sctp_reset_streams *request = (struct sctp_reset_streams *)bytes;
	request->srs_assoc_id = association;
	request->srs_flags = SCTP_STREAM_RESET_OUTGOING;
	request->srs_number_streams = 1;
	request->srs_stream_list[0] = stream;
	if (usrsctp_setsockopt(sctp, IPPROTO_SCTP, SCTP_RESET_STREAMS, bytes, sizeof bytes) < 0)
		fail("SCTP_RESET_STREAMS");
}

static void abort_association(const char *reason)
{
	struct sctp_sndinfo info = {.snd_flags = SCTP_ABORT, .snd_assoc_id = association};
	if (usrsctp_sendv(sctp, reason, strlen(reason), NULL, 0, &info, sizeof info,
	                  SCTP_SENDV_SNDINFO, 0) < 0)
		fail("SCTP_ABORT");
}

static void run_command(const char *command)
{
	char reason[200];
	unsigned int stream;
	if (strcmp(command, "echo") == 0)
		is_echoing = true;
	else if (sscanf(command, "send %" SCNu32 " %" SCNu64 " %" SCNu16, &random_state,
	                &left_to_send, &sending_stream_count) == 3)
		;
	else if (sscanf(command, "receive %" SCNu64, &awaited_length) == 1)
		;
	else if (strcmp(command, "pause") == 0)
		is_paused = true;
	else if (strcmp(command, "resume") == 0)
		is_paused = false;
	else if (sscanf(command, "reset %u", &stream) == 1)
		reset_stream(stream);
	else if (strcmp(command, "shutdown") == 0)
		is_ending = true;
	else if (sscanf(command, "abort %199[^\n]", reason) == 1)
		abort_association(reason);
	else
		fail(command);
}

/* The end of the input is the end of the process. */
static void read_commands(void)
{
	static char text[4096];
	static size_t length;
	ssize_t count = read(STDIN_FILENO, text + length, sizeof text - 1 - length);
	if (count <= 0)
		exit(EXIT_SUCCESS);
	length += count;
	text[length] = 0;
	char *line = text;
	for (char *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
		*end = 0;
		run_command(line);
	}
	length -= line - text;
	memmove(text, line, length);
}

/* Packets. */

static int send_packet(void *address, void *packet, size_t length, uint8_t tos, uint8_t set_df)
{
	(void)address, (void)tos, (void)set_df;
	/* What cannot be sent is lost, as anything may be. */
	(void)sendto(udp, packet, length, 0, (struct sockaddr *)&remote, sizeof remote);
	return 0;
}

static void receive_packets(void)
{
	static uint8_t packet[65536] __attribute__((aligned(8)));
	struct sockaddr_in from;
	socklen_t from_length = sizeof from;
	/* A few at a time, so that what they bring is read before more comes. */
	for (int left = 16; left > 0; left--) {
		ssize_t length = recvfrom(udp, packet, sizeof packet, MSG_DONTWAIT,
		                          (struct sockaddr *)&from, &from_length);
		if (length < 0)
			return;
		if (remote.sin_port == 0)
			remote = from;
		usrsctp_conninput(&udp, packet, length, 0);
	}
}

static void bind_udp(uint16_t remote_port)
{
	struct sockaddr_in local = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t length = sizeof local;
	int buffer_length = UDP_BUFFER_LENGTH;
	remote = local;
	remote.sin_port = htons(remote_port);
	udp = socket(AF_INET, SOCK_DGRAM, 0);
	setsockopt(udp, SOL_SOCKET, SO_RCVBUF, &buffer_length, sizeof buffer_length);
	setsockopt(udp, SOL_SOCKET, SO_SNDBUF, &buffer_length, sizeof buffer_length);
	if (udp < 0 || bind(udp, (struct sockaddr *)&local, length) < 0 ||
	    getsockname(udp, (struct sockaddr *)&local, &length) < 0)
		fail("bind");
	printf("{\"event\":\"bound\",\"port\":%u}\n", ntohs(local.sin_port));
}

/* The association. */

static void set_option(int level, int option, const void *value, socklen_t length)
{
	if (usrsctp_setsockopt(sctp, level, option, value, length) < 0)
		fail("usrsctp_setsockopt");
}

static void set_number(int level, int option, int value)
{
	set_option(level, option, &value, sizeof value);
}

static void set_value(int option, uint32_t value)
{
	struct sctp_assoc_value assoc_value = {.assoc_value = value};
	set_option(IPPROTO_SCTP, option, &assoc_value, sizeof assoc_value);
}

static void set_options(bool is_interleaving)
{
	static const uint16_t events[] = {
		SCTP_ASSOC_CHANGE,   SCTP_STREAM_RESET_EVENT, SCTP_PARTIAL_DELIVERY_EVENT,
		SCTP_SHUTDOWN_EVENT, SCTP_REMOTE_ERROR,       SCTP_SEND_FAILED_EVENT,
	};
	/* Timers as short as a loopback path allows. */
	struct sctp_rtoinfo timeouts = {.srto_initial = 100, .srto_min = 50, .srto_max = 500};
	struct sctp_initmsg init = {
		.sinit_num_ostreams = STREAM_COUNT,
		.sinit_max_instreams = STREAM_COUNT,
	};
	for (size_t at = 0; at < sizeof events / sizeof events[0]; at++) {
		struct sctp_event event = {.se_type = events[at], .se_on = 1};
		set_option(IPPROTO_SCTP, SCTP_EVENT, &event, sizeof event);
	}
	set_option(IPPROTO_SCTP, SCTP_RTOINFO, &timeouts, sizeof timeouts);
	set_option(IPPROTO_SCTP, SCTP_INITMSG, &init, sizeof init);
	set_number(IPPROTO_SCTP, SCTP_RECVRCVINFO, 1);
	set_number(IPPROTO_SCTP, SCTP_NODELAY, 1);
	set_number(SOL_SOCKET, SO_SNDBUF, SEND_BUFFER_LENGTH);
	set_number(SOL_SOCKET, SO_RCVBUF, RECEIVE_BUFFER_LENGTH);
	set_number(IPPROTO_SCTP, SCTP_PARTIAL_DELIVERY_POINT, 2 * MAX_MESSAGE_LENGTH);
	set_value(SCTP_ENABLE_STREAM_RESET, SCTP_ENABLE_RESET_STREAM_REQ);
	if (is_interleaving) {
		set_number(IPPROTO_SCTP, SCTP_FRAGMENT_INTERLEAVE, INTERLEAVE_STREAMS);
		set_value(SCTP_INTERLEAVING_SUPPORTED, 1);
	}
}

static void open_association(bool is_connecting, bool is_interleaving)
{
	struct sockaddr_conn address = {
		.sconn_family = AF_CONN,
		.sconn_port = htons(SCTP_PORT),
		.sconn_addr = &udp,
	};
	usrsctp_init_nothreads(0, send_packet, NULL);
	usrsctp_sysctl_set_sctp_ecn_enable(0);
	/* The only path is not given up, however much is lost. */
	usrsctp_sysctl_set_sctp_path_rtx_max_default(MAX_RETRANSMISSIONS);
	usrsctp_sysctl_set_sctp_assoc_rtx_max_default(MAX_RETRANSMISSIONS);
	usrsctp_register_address(&udp);
	sctp = usrsctp_socket(AF_CONN, SOCK_SEQPACKET, IPPROTO_SCTP, NULL, NULL, 0, NULL);
	if (sctp == NULL || usrsctp_set_non_blocking(sctp, 1) < 0)
		fail("usrsctp_socket");
	set_options(is_interleaving);
	if (usrsctp_bind(sctp, (struct sockaddr *)&address, sizeof address) < 0)
		fail("usrsctp_bind");
	if (!is_connecting && usrsctp_listen(sctp, 1) < 0)
		fail("usrsctp_listen");
	if (is_connecting &&
	    usrsctp_connect(sctp, (struct sockaddr *)&address, sizeof address) < 0 &&
	    errno != EINPROGRESS)
		fail("usrsctp_connect");
}

static uint64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void run(void)
{
	struct pollfd waits[] = {{.fd = udp, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
	uint64_t ticked = now_ms();
	for (;;) {
		poll(waits, 2, TICK_MS);
		if (waits[0].revents != 0)
			receive_packets();
		if (waits[1].revents != 0)
			read_commands();
		uint64_t elapsed = now_ms() - ticked;
		if (elapsed >= TICK_MS) {
			usrsctp_handle_timers(elapsed);
			ticked += elapsed;
		}
		read_all();
		flush_queue();
		fflush(stdout);
	}
}

int main(int argc, char *argv[])
{
	if (argc > 1 && strcmp(argv[1], "--version") == 0)
		return EXIT_SUCCESS;
	if (argc < 3 || (strcmp(argv[1], "listen") != 0 && strcmp(argv[1], "connect") != 0)) {
		fprintf(stderr, "usage: usrsctp_peer listen|connect UDP_PORT [interleaving]\n");
		return EXIT_FAILURE;
	}
	bind_udp(atoi(argv[2]));
	fflush(stdout);
	open_association(strcmp(argv[1], "connect") == 0,
	                 argc > 3 && strcmp(argv[3], "interleaving") == 0);
	run();
}
