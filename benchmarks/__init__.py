"""Benchmarks of prefect-drs: seeded estates, strategies to compare, tables to print. Never imported by the
package.
"""
