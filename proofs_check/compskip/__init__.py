"""The claims of compskip, settled one by one."""
