/* carrier: the Python side. */

#include "binding.h"
#include "carrier.h"

static const char watch_doc[] =
    "CarrierWatch()\n--\n\n"
    "Whether the tone is there and stands still, over all carriers and microphones.\n\n"
    "Raises:\n"
    "    RuntimeError: a method was called while another thread is in one.";

static const char watch_process_doc[] =
    "process($self, /, iq, rate_hz)\n--\n\n"
    "Consume `iq` complex64 [carriers, mics, samples] of at least one sample at `rate_hz`: 0 the tone is steady, 1 it\n"
    "is not, 2 it is missing.\n\n"
    "Raises:\n"
    "    TypeError: the type of `iq` is another one.\n"
    "    ValueError: its shape or memory layout is another one, or the rate is not above 0.";

static const char watch_level_doc[] =
    "level_into($self, /, level_dbfs)\n--\n\n"
    "Fill `level_dbfs` float32 [rows], the rows of all carriers and microphones, with the static path's level.";

static void watch_destroy(void *core)
{
    pp_carrier_watch_destroy(core);
}

static PyObject *watch_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, ":CarrierWatch", names)) {
        return NULL;
    }
    return pp_wrap(type, pp_carrier_watch_create(), watch_destroy, "out of memory");
}

static void watch_dealloc(PyObject *self)
{
    pp_unwrap(self, watch_destroy);
}

static PyObject *watch_process(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"iq", "rate_hz", NULL};
    PyObject *object = NULL;
    double rate_hz = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "Od:process", names, &object, &rate_hz) || !pp_enter(self)) {
        return NULL;
    }
    pp_baseband baseband;
    if (!pp_take_baseband(object, rate_hz, &baseband)) {
        pp_leave(self);
        return NULL;
    }
    pp_carrier_state state = PP_CARRIER_MISSING;
    Py_BEGIN_ALLOW_THREADS
    state = pp_carrier_watch_execute(pp_core(self), baseband.view.buf, baseband.rows, baseband.samples, rate_hz);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&baseband.view);
    pp_leave(self);
    return PyLong_FromLong(state);
}

static PyObject *watch_level_into(PyObject *self, PyObject *object)
{
    if (!pp_enter(self)) {
        return NULL;
    }
    const Py_ssize_t rows = (Py_ssize_t)pp_carrier_watch_rows(pp_core(self));
    const pp_buffer_wish wish = {"level_dbfs", "float32", "f", 4, 4, 1, {rows}, true};
    Py_buffer level;
    const bool taken = pp_take(object, &wish, &level);
    if (taken) {
        pp_carrier_watch_level(pp_core(self), level.buf);
        PyBuffer_Release(&level);
    }
    pp_leave(self);
    return taken ? Py_NewRef(Py_None) : NULL;
}

static PyObject *watch_reset(PyObject *self, PyObject *none)
{
    (void)none;
    if (!pp_enter(self)) {
        return NULL;
    }
    pp_carrier_watch_reset(pp_core(self));
    pp_leave(self);
    Py_RETURN_NONE;
}

static PyMethodDef watch_methods[] = {
    {"process", (PyCFunction)(void (*)(void))watch_process, METH_VARARGS | METH_KEYWORDS, watch_process_doc},
    {"level_into", watch_level_into, METH_O, watch_level_doc},
    {"reset", watch_reset, METH_NOARGS, "reset($self, /)\n--\n\nForget the tone."},
    {0},
};

static PyType_Slot watch_slots[] = {
    {Py_tp_new, watch_new},         {Py_tp_dealloc, watch_dealloc},  {Py_tp_methods, watch_methods},
    {Py_tp_doc, (void *)watch_doc}, {0, NULL},
};

PyType_Spec pp_carrier_watch_type = {
    .name = "appliance.dsp._core.CarrierWatch",
    .basicsize = sizeof(pp_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = watch_slots,
};
