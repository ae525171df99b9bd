/* What keepalived calls of libnl, answered without a kernel: every IPVS request is carried out at once, as it seems. */
struct nl_sock;
struct nl_msg;
typedef int (*handler)(struct nl_msg *, void *);

enum { FINISH = 1, ACK = 4 };
static handler on_finish, on_ack;
static void *finish_argument, *ack_argument;

int genl_connect(struct nl_sock *socket) { (void)socket; return 0; }

int genl_ctrl_resolve(struct nl_sock *socket, const char *name) { (void)socket; (void)name; return 28; }

int nl_send_auto(struct nl_sock *socket, struct nl_msg *message) { (void)socket; (void)message; return 1; }

int nl_socket_modify_cb(struct nl_sock *socket, int type, int kind, handler function, void *argument)
{
	(void)socket;
	(void)kind;
	if (type == FINISH) {
		on_finish = function;
		finish_argument = argument;
	} else if (type == ACK) {
		on_ack = function;
		ack_argument = argument;
	}
	return 0;
}

int nl_recvmsgs_default(struct nl_sock *socket)
{
	(void)socket;
	if (on_finish)
		on_finish(0, finish_argument);
	if (on_ack)
		on_ack(0, ack_argument);
	return 0;
}
