/* echoes: the Python side. */

#include "binding.h"
#include "echoes.h"

static const char echoes_doc[] =
    "Echoes(*, mics, bins, gates, shape, spread_db)\n--\n\n"
    "What a classifier sees of the echoes of a pulse: what moves at which range.\n\n"
    "Args:\n"
    "    mics: 1 to 8.\n"
    "    bins: 1 to 1024, of a microphone's echoes.\n"
    "    gates: up to 64 pairs of a first bin, at least 1, and the one behind the last.\n"
    "    shape: shape parameter of the gamma distribution of a gate's power in noise, 0.5 or more.\n"
    "    spread_db: what spreading there and back takes at each gate, re 1 m.\n\n"
    "Raises:\n"
    "    ValueError: an argument is out of range.\n"
    "    RuntimeError: a method was called while another thread is in one.";

static const char echoes_process_into_doc[] =
    "process_into($self, /, echoes, period_s, values)\n--\n\n"
    "Fill `values` float32 [2, gates], deviates and strengths, from `echoes` complex64 [mics, bins] that come `period_s`\n"
    "after those before; 0 where the two cannot be compared. False, and `values` as they were, where there is nothing to\n"
    "compare with or what is left is no number.\n\n"
    "Raises:\n"
    "    TypeError: the type of a buffer is another one.\n"
    "    ValueError: its shape or memory layout is another one.";

static void echoes_destroy(void *core)
{
    pp_echoes_destroy(core);
}

static PyObject *echoes_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"mics", "bins", "gates", "shape", "spread_db", NULL};
    pp_echoes_spec spec = {0};
    PyObject *gates = NULL;
    PyObject *spread_db = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "$iiOdO:Echoes", names, &spec.mics, &spec.gates.bins, &gates,
                                     &spec.shape, &spread_db) ||
        !pp_take_bands(gates, spread_db, &spec.gates, spec.spread_db)) {
        return NULL;
    }
    char reason[PP_REASON_BYTES];
    pp_echoes *const echoes = pp_echoes_create(&spec, reason);
    return pp_wrap(type, echoes, echoes_destroy, reason);
}

static void echoes_dealloc(PyObject *self)
{
    pp_unwrap(self, echoes_destroy);
}

/* 1: done, 0: nothing to tell, -1: with an exception. */
static int compare(pp_echoes *echoes, PyObject *const *objects, double period_s)
{
    const Py_ssize_t mics = (Py_ssize_t)pp_echoes_mics(echoes);
    const Py_ssize_t bins = (Py_ssize_t)pp_echoes_bins(echoes);
    const Py_ssize_t gates = (Py_ssize_t)pp_echoes_gates(echoes);
    const pp_buffer_wish wishes[] = {
        {"echoes", "complex64", "Zf", 8, 4, 2, {mics, bins}, false},
        {"values", "float32", "f", 4, 4, 2, {2, gates}, true},
    };
    Py_buffer views[2];
    if (!pp_take_all(objects, wishes, 2, views)) {
        return -1;
    }
    int known;
    Py_BEGIN_ALLOW_THREADS
    known = pp_echoes_execute(echoes, views[0].buf, period_s, views[1].buf);
    Py_END_ALLOW_THREADS
    pp_release_all(views, 2);
    return known;
}

static PyObject *echoes_process_into(PyObject *self, PyObject *args)
{
    PyObject *objects[2] = {NULL};
    double period_s = 0;
    if (!PyArg_ParseTuple(args, "OdO:process_into", &objects[0], &period_s, &objects[1]) || !pp_enter(self)) {
        return NULL;
    }
    const int known = compare(pp_core(self), objects, period_s);
    pp_leave(self);
    return known < 0 ? NULL : PyBool_FromLong(known);
}

static PyObject *echoes_reset(PyObject *self, PyObject *none)
{
    (void)none;
    if (!pp_enter(self)) {
        return NULL;
    }
    pp_echoes_reset(pp_core(self));
    pp_leave(self);
    Py_RETURN_NONE;
}

static PyMethodDef echoes_methods[] = {
    {"process_into", echoes_process_into, METH_VARARGS, echoes_process_into_doc},
    {"reset", echoes_reset, METH_NOARGS, "reset($self, /)\n--\n\nForget the room."},
    {0},
};

static PyType_Slot echoes_slots[] = {
    {Py_tp_new, echoes_new},         {Py_tp_dealloc, echoes_dealloc},
    {Py_tp_methods, echoes_methods}, {Py_tp_doc, (void *)echoes_doc},
    {0, NULL},
};

PyType_Spec pp_echoes_type = {
    .name = "appliance.dsp._core.Echoes",
    .basicsize = sizeof(pp_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = echoes_slots,
};
