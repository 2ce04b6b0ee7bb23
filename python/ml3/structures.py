"""The structures of lab/*.h and envs/foreign.h, and their functions, as they are in C. tests/data/python_layout.json holds sizes and offsets, which
tests/test_python_layout.c compares with the headers and tests/python/check_lab.py with this file."""

from __future__ import annotations

import ctypes
from ctypes import (
    CFUNCTYPE,
    POINTER,
    c_bool,
    c_char,
    c_char_p,
    c_double,
    c_int,
    c_int32,
    c_int64,
    c_long,
    c_size_t,
    c_uint64,
    c_void_p,
)

from ml3.library import ErrorStruct, declare

_COMPARE_MAX_ERRORS = 8


class Validation(ctypes.Structure):
    _fields_ = [
        ("step", c_int64),
        ("objective", c_double),
        ("task_loss", c_double),
        ("success", c_double),
        ("distance", c_double),
        ("median_distance", c_double),
        ("has_distance", c_bool),
        ("model_step_error", c_double),
        ("model_horizon_error", c_double),
        ("failed", c_int),
        ("tasks", c_int),
        ("is_best", c_bool),
    ]


SENTENCE = CFUNCTYPE(None, c_void_p, c_char_p)
BEGIN = CFUNCTYPE(None, c_void_p, c_char_p, c_int64)
PROGRESS = CFUNCTYPE(None, c_void_p, c_int64, c_char_p)
END = CFUNCTYPE(None, c_void_p)
METRICS = CFUNCTYPE(None, c_void_p, c_int64, POINTER(c_char_p), POINTER(c_double), c_int)
VALIDATION = CFUNCTYPE(None, c_void_p, POINTER(Validation))
INTERRUPTED = CFUNCTYPE(c_bool, c_void_p)


class Callbacks(ctypes.Structure):
    _fields_ = [
        ("user", c_void_p),
        ("message", SENTENCE),
        ("detail", SENTENCE),
        ("idle", SENTENCE),
        ("begin", BEGIN),
        ("progress", PROGRESS),
        ("end", END),
        ("training", SENTENCE),
        ("metrics", METRICS),
        ("validation", VALIDATION),
        ("learned", SENTENCE),
        ("interrupted", INTERRUPTED),
    ]


class TrainSettings(ctypes.Structure):
    _fields_ = [
        ("output", c_char_p),
        ("resume", c_char_p),
        ("force", c_bool),
        ("log", c_char_p),
        ("callbacks", POINTER(Callbacks)),
        ("ranks", c_void_p),
        ("cores", c_int),
    ]


class TrainResult(ctypes.Structure):
    _fields_ = [
        ("folder", c_char * 1024),
        ("is_policy", c_bool),
        ("steps", c_int64),
        ("updates", c_int),
        ("best", Validation),
        ("success_name", c_char * 64),
        ("no_goal", c_bool),
        ("judged", c_int),
        ("judged_diverged", c_int),
        ("episode_return", c_double),
        ("success", c_double),
        ("passed", c_double),
        ("distance", c_double),
        ("env_steps", c_int64),
        ("diverged", c_int64),
        ("seconds", c_double),
        ("steps_per_second", c_double),
        ("lost", c_bool),
        ("speaker", c_int),
    ]


class AdaptSettings(ctypes.Structure):
    _fields_ = [
        ("what", c_char_p),
        ("loss", c_char_p),
        ("settings", POINTER(c_char_p)),
        ("count", c_int),
        ("task", c_int),
        ("updates", c_int),
        ("output", c_char_p),
        ("callbacks", POINTER(Callbacks)),
    ]


class Outcome(ctypes.Structure):
    _fields_ = [
        (name, c_double) for name in ("task_loss", "episode_return", "distance", "success", "passed", "env_steps")
    ]


class EvaluateSettings(ctypes.Structure):
    _fields_ = [
        ("what", c_char_p),
        ("environment", c_char_p),
        ("settings", POINTER(c_char_p)),
        ("count", c_int),
        ("episodes", c_int),
        ("tasks", c_int),
        ("updates", c_int),
        ("callbacks", POINTER(Callbacks)),
    ]


class EvaluatedTask(ctypes.Structure):
    _fields_ = [
        ("episodes", c_int),
        ("diverged", c_int),
        ("episode_return", c_double),
        ("distance", c_double),
        ("success", c_double),
        ("passed", c_double),
    ]


class IntervalStruct(ctypes.Structure):
    _fields_ = [("mean", c_double), ("low", c_double), ("high", c_double)]


class EvaluationStruct(ctypes.Structure):
    _fields_ = [
        ("environment", c_char * 256),
        ("no_goal", c_bool),
        ("method", c_char * 64),
        ("updates", c_int),
        ("episodes", c_int),
        ("diverged", c_int),
        ("episode_return", IntervalStruct),
        ("distance", IntervalStruct),
        ("success", IntervalStruct),
        ("passed", IntervalStruct),
        ("tasks", c_int),
        ("rows", POINTER(EvaluatedTask)),
    ]


class CompareError(ctypes.Structure):
    _fields_ = [("parameter", c_char_p), ("relative", c_double)]


class CompareSettings(ctypes.Structure):
    _fields_ = [
        ("name", c_char_p),
        ("with", c_char_p),
        ("label", c_char_p),
        ("sets", POINTER(c_char_p)),
        ("methods", POINTER(c_char_p)),
        ("reference", c_char_p),
        ("set_count", c_int),
        ("method_count", c_int),
        ("seeds", c_int),
        ("budget", c_long),
        ("errors", CompareError * _COMPARE_MAX_ERRORS),
        ("error_count", c_int),
        ("transitions", c_int),
        ("transitions_hold", c_int),
        ("transitions_states", c_bool),
        ("callbacks", POINTER(Callbacks)),
    ]


# ---- envs/foreign.h ------------------------------------------------------------------------------------------------------


class ForeignRecord(ctypes.Structure):
    _fields_ = [
        ("instance", c_void_p),
        ("obs", c_void_p),
        ("goal", c_void_p),
        ("reward", c_double),
        ("distance", c_double),
        ("terminated", c_int32),
        ("truncated", c_int32),
        ("success", c_int32),
        ("error", c_char * 512),
    ]


class EnvField(ctypes.Structure):
    _fields_ = [("name", c_char_p), ("unit", c_char_p), ("low", c_double), ("high", c_double)]


FOREIGN_CREATE = CFUNCTYPE(c_int, c_void_p, c_void_p)
FOREIGN_DESTROY = CFUNCTYPE(None, c_void_p, c_void_p)
FOREIGN_RESET = CFUNCTYPE(c_int, c_void_p, c_void_p, POINTER(c_double), c_uint64)
FOREIGN_STEP = CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p)
FOREIGN_DRAW = CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_void_p, c_void_p)  # not used here, nor is
FOREIGN_BEGIN = CFUNCTYPE(None, c_void_p, c_void_p, c_void_p)


class ForeignDescription(ctypes.Structure):
    _fields_ = [
        ("name", c_char_p),
        ("summary", c_char_p),
        ("dt_s", c_double),
        ("horizon", c_int),
        ("obs_dim", c_int),
        ("action_dim", c_int),
        ("goal_dim", c_int),
        ("task_dim", c_int),
        ("state_dim", c_int),
        ("no_goal", c_bool),
        ("choices", c_int),
        ("obs", POINTER(EnvField)),
        ("action", POINTER(EnvField)),
        ("goal", POINTER(EnvField)),
        ("state", POINTER(EnvField)),
        ("task", c_void_p),
        ("tasks", POINTER(c_double) * 4),
        ("task_counts", c_int * 4),
        ("threads", c_int),
        ("user", c_void_p),
        ("create", FOREIGN_CREATE),
        ("destroy", FOREIGN_DESTROY),
        ("reset", FOREIGN_RESET),
        ("step", FOREIGN_STEP),
        ("get_state", FOREIGN_STEP),
        ("set_state", FOREIGN_STEP),
        ("draw", FOREIGN_DRAW),
        ("begin_reset", FOREIGN_BEGIN),
        ("begin_step", FOREIGN_BEGIN),
    ]


class ForeignCounts(ctypes.Structure):
    _fields_ = [(name, c_long) for name in ("created", "in_use", "resets")]


#: What the layout file is of: the structure's name in C, and the class here.
STRUCTURES: dict[str, type[ctypes.Structure]] = {
    "ml3_lab_validation": Validation,
    "ml3_lab_callbacks": Callbacks,
    "ml3_lab_train_settings": TrainSettings,
    "ml3_lab_result": TrainResult,
    "ml3_lab_adapt_settings": AdaptSettings,
    "ml3_outcome": Outcome,
    "ml3_lab_evaluate_settings": EvaluateSettings,
    "ml3_lab_evaluated_task": EvaluatedTask,
    "ml3_lab_interval": IntervalStruct,
    "ml3_lab_evaluation": EvaluationStruct,
    "ml3_compare_error": CompareError,
    "ml3_lab_compare_settings": CompareSettings,
    "ml3_error": ErrorStruct,
    "ml3_foreign_record": ForeignRecord,
    "ml3_foreign_description": ForeignDescription,
    "ml3_foreign_counts": ForeignCounts,
    "ml3_env_field": EnvField,
}


def layout() -> dict[str, dict[str, int]]:
    """Of each structure its size, and where its fields begin."""
    return {
        name: {"sizeof": ctypes.sizeof(kind), **{field[0]: getattr(kind, field[0]).offset for field in kind._fields_}}
        for name, kind in STRUCTURES.items()
    }


_E = POINTER(ErrorStruct)
declare(
    {
        "ml3_foreign_new": (c_void_p, POINTER(ForeignDescription), _E),
        "ml3_foreign_free": (None, c_void_p),
        "ml3_foreign_count": (ForeignCounts, c_void_p),
        "ml3_foreign_register": (c_int, c_void_p, _E),
        "ml3_lab_experiment_new": (c_void_p, c_char_p, POINTER(c_char_p), c_int, POINTER(Callbacks), _E),
        "ml3_lab_experiment_free": (None, c_void_p),
        "ml3_lab_train": (c_int, c_void_p, POINTER(TrainSettings), POINTER(TrainResult), _E),
        "ml3_lab_adapt": (c_int, POINTER(AdaptSettings), POINTER(Outcome), _E),
        "ml3_lab_evaluate": (c_int, POINTER(EvaluateSettings), POINTER(EvaluationStruct), _E),
        "ml3_lab_evaluation_free": (None, POINTER(EvaluationStruct)),
        "ml3_lab_compare": (c_void_p, POINTER(CompareSettings), _E),
        "ml3_lab_comparison_free": (None, c_void_p),
        "ml3_lab_comparison_tables": (c_int, c_void_p, POINTER(c_void_p), POINTER(c_void_p), _E),
        "ml3_lab_comparison_legend": (None, c_void_p, c_char_p, c_size_t),
        "ml3_lab_comparison_save": (c_int, c_void_p, c_char_p, _E),
        "ml3_lab_table_free": (None, c_void_p),
        "ml3_lab_table_rows": (c_int, c_void_p),
        "ml3_lab_table_columns": (c_int, c_void_p),
        "ml3_lab_table_cell": (c_char_p, c_void_p, c_int, c_int),
    }
)
