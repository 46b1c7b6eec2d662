"""What came out of the gateway, read by the official SDKs' types at their strictest.

There is one module for each operation that clients know. Its `read` takes status, headers and body, and raises `Unlike`
or the SDK's own error when their form is wrong.
"""
