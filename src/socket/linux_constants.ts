/** Numbers of Linux's headers. They are the same on x86-64 and on ARM64. */

/** sys/socket.h. */
export const family = { ipv4: 2, ipv6: 10 } as const;

/** SOCK_DGRAM, SOCK_NONBLOCK and SOCK_CLOEXEC together. */
export const datagramType = 0x2 | 0x800 | 0x80000;

/** SOCK_STREAM, SOCK_NONBLOCK and SOCK_CLOEXEC together. */
export const streamType = 0x1 | 0x800 | 0x80000;

/** SOCK_NONBLOCK and SOCK_CLOEXEC, of what is accepted. */
export const acceptFlags = 0x800 | 0x80000;

/** MSG_NOSIGNAL: an error, and no signal, where the other end is gone. */
export const noSignal = 0x4000;

/** SHUT_WR. */
export const shutdownWrite = 1;

/** EPOLL_CLOEXEC. */
export const epollCloseOnExec = 0x80000;

/** EFD_NONBLOCK and EFD_CLOEXEC together. */
export const eventCloseOnExec = 0x800 | 0x80000;

/** Level and name of socket options. */
export const option = {
  reuseAddress: [1, 2], // SO_REUSEADDR
  error: [1, 4], // SO_ERROR
  sendBuffer: [1, 7], // SOL_SOCKET, SO_SNDBUF
  receiveBuffer: [1, 8], // SO_RCVBUF
  keepAlive: [1, 9], // SO_KEEPALIVE
  linger: [1, 13], // SO_LINGER
  sendTimeout: [1, 21], // SO_SNDTIMEO
  sendBufferForced: [1, 32], // SO_SNDBUFFORCE
  receiveBufferForced: [1, 33], // SO_RCVBUFFORCE
  mtuDiscoverIpv4: [0, 10], // IPPROTO_IP, IP_MTU_DISCOVER
  mtuDiscoverIpv6: [41, 23], // IPPROTO_IPV6, IPV6_MTU_DISCOVER
  mtuIpv6: [41, 24], // IPPROTO_IPV6, IPV6_MTU
  ipv6Only: [41, 26], // IPV6_V6ONLY
  noDelay: [6, 1], // IPPROTO_TCP, TCP_NODELAY
  udpSegment: [17, 103], // SOL_UDP, UDP_SEGMENT
  udpGro: [17, 104], // UDP_GRO
} as const;

/** IP_PMTUDISC_PROBE and IPV6_PMTUDISC_PROBE: never fragment, and believe nobody about the path. */
export const mtuProbe = 3;

/** RFC 8200 section 5: every path takes so much over IPv6, and no router fragments for it. */
export const minMtuIpv6 = 1_280;

/** IP_PMTUDISC_DONT and IPV6_PMTUDISC_DONT: fragment what is too long. */
export const mtuDont = 0;

/** MSG_TRUNC: there was more than the buffer could take. */
export const messageTruncated = 0x20;

/** EPOLL_CTL_ADD and EPOLL_CTL_DEL. */
export const epollControl = { add: 1, remove: 2 } as const;

/**
 * EPOLLIN, and EPOLLET with it: told as long as there is something, or once. EPOLLIN, EPOLLOUT and
 * EPOLLRDHUP with EPOLLET: each change is told. Errors always are.
 */
export const epollEvents = {
  readable: 0x1,
  readableOnce: 0x8000_0001,
  changes: 0x8000_2005,
} as const;

/** What epoll tells: EPOLLIN, EPOLLOUT; EPOLLERR; EPOLLERR, EPOLLHUP and EPOLLRDHUP. */
export const epollTold = { readable: 0x1, writable: 0x4, error: 0x8, ended: 0x2018 } as const;

/** struct epoll_event: x86-64 alone packs it. */
export function epollEventLayout(
  arch: typeof Deno.build.arch,
): { readonly length: number; readonly data: number } {
  return arch === "x86_64" ? { length: 12, data: 4 } : { length: 16, data: 8 };
}

/** errno.h, as far as it is told apart. */
export const errno = {
  EPERM: 1,
  EINTR: 4,
  EIO: 5,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EFAULT: 14,
  EINVAL: 22,
  EPIPE: 32,
  ENFILE: 23,
  EMFILE: 24,
  ENOTSOCK: 88,
  EMSGSIZE: 90,
  EAFNOSUPPORT: 97,
  EADDRINUSE: 98,
  EADDRNOTAVAIL: 99,
  ENETDOWN: 100,
  ENETUNREACH: 101,
  ECONNABORTED: 103,
  ECONNRESET: 104,
  ENOBUFS: 105,
  ENOTCONN: 107,
  ETIMEDOUT: 110,
  ECONNREFUSED: 111,
  EHOSTUNREACH: 113,
  EINPROGRESS: 115,
} as const;

/** `EAGAIN`, or `errno 95` where it has no name here. */
export function errnoName(value: number): string {
  const known = Object.entries(errno).find(([, one]) => one === value);
  return known?.[0] ?? `errno ${value}`;
}
