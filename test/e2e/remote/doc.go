// Package remote builds projects with a Remote Execution service that nobody here
// wrote, buildbox-casd, and with proxies before it that lie. Nothing imports it.
package remote
