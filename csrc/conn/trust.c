/* conn/trust.c -- see trust.h.
 * Owns: nothing; pure functions on a list of networks. */
#include "conn/trust.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "error.h"

static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static bool in_network(const fw_network *network, int family, const unsigned char *address)
{
    if (network->family != family)
        return false;
    unsigned whole = network->prefix / 8, bits = network->prefix % 8;
    if (memcmp(network->address, address, whole) != 0)
        return false;
    if (bits == 0)
        return true;
    unsigned mask = 0xffu << (8 - bits) & 0xffu;
    return ((unsigned)(network->address[whole] ^ address[whole]) & mask) == 0;
}

static bool in_any(const fw_trusted *trusted, int family, const unsigned char *address)
{
    for (int i = 0; i < trusted->count; i++)
        if (in_network(&trusted->networks[i], family, address))
            return true;
    return false;
}

static bool ipv6_in_any(const fw_trusted *trusted, const unsigned char *address)
{
    if (memcmp(address, mapped, sizeof mapped) == 0)
        return in_any(trusted, 4, address + sizeof mapped);
    return in_any(trusted, 6, address);
}

static bool unix_in_any(const fw_trusted *trusted)
{
    return in_any(trusted, 0, mapped); /* any address with a prefix of 0 */
}

bool fw__trusts(const fw_trusted *trusted, const struct sockaddr *address)
{
    if (trusted->count == 0)
        return true;
    if (address->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof in);
        return in_any(trusted, 4, (const unsigned char *)&in.sin_addr);
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, address, sizeof in6);
        return ipv6_in_any(trusted, in6.sin6_addr.s6_addr);
    }
    return unix_in_any(trusted);
}

bool fw__trusts_peer(const fw_trusted *trusted, fw_slice peer)
{
    char text[INET6_ADDRSTRLEN];
    unsigned char address[16];
    const char *feed = memchr(peer.at, '\n', peer.len);
    size_t len = feed ? (size_t)(feed - peer.at) : peer.len;
    if (len == 0)
        return unix_in_any(trusted);
    if (trusted->count == 0 || len >= sizeof text)
        return false;
    memcpy(text, peer.at, len);
    text[len] = '\0';
    if (inet_pton(AF_INET, text, address) == 1)
        return in_any(trusted, 4, address);
    return inet_pton(AF_INET6, text, address) == 1 && ipv6_in_any(trusted, address);
}

int fw__trust_add(fw_trusted *trusted, int family, const unsigned char *address, unsigned prefix)
{
    if (trusted->count >= FW_TRUSTED_MAX)
        return FW_EFULL;
    size_t size = family == 4 ? 4 : family == 6 ? 16 : 0;
    if ((family != 0 && size == 0) || prefix > size * 8)
        return FW_ESTATE;
    fw_network *network = &trusted->networks[trusted->count++];
    network->family = family;
    network->prefix = prefix;
    if (size)
        memcpy(network->address, address, size);
    return 0;
}
